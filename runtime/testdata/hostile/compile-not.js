// A million negations in the source.
// light: refused
// full: refused
export default () => /*900000 !*/0;
