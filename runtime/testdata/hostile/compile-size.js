// A source of two megabytes.
// light: refused
// full: refused
/*2000000 ;*/
export default () => 0;
