// A sum of 400,000 terms in the source.
// light: refused
// full: refused
export default () => 1/*400000 +1*/;
