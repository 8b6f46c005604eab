// A constant that blocks the engine's compiler.
// light: refused
// full: refused
export default () => 2n ** (2n ** 31n);
