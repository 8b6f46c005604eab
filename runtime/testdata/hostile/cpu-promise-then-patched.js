// Promise.prototype.then replaced by an endless loop before an await of a verb.
// light: alone
// full: alone
export default async function (call) {
  Promise.prototype.then = function () { for (;;) { } };
  call.say("x").then(1);
}
