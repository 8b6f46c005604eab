// 300,000 brackets in the source.
// light: refused
// full: refused
export default () => /*300000 [*/0/*300000 ]*/;
