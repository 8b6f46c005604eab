// 200,000 arrow functions in each other.
// light: refused
// full: refused
export default () => /*200000 a=>*/0;
