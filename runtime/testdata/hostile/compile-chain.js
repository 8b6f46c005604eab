// 200,000 members in one chain.
// light: refused
// full: refused
export default (a) => a/*200000 .b*/;
