// Templates in templates.
// light: refused
// full: refused
export default () => /*2000 `${*/0/*2000 }`*/;
