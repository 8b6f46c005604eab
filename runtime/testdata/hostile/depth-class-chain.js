// A class that extends itself a million times.
// light: alone or replaced
// full: alone
export default async function (call) {
  let C = class { constructor() { this.a = 1; } };
  for (let i = 0; i < 1e6; i++) C = class extends C { };
  new C();
}
