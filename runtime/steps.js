// What traced awaits go through. The reactions are functions of JavaScript: in
// a native one, which has no frame, a call back into the script would run all
// jobs that wait.
(function (now, done) {
  "use strict";
  const P = Promise, then = Function.prototype.call.bind(P.prototype.then);
  return (site, value, read) => {
    const began = now();
    if (value instanceof P) {
      then(value, (v) => { done(site, read, v, true, began); }, (e) => { done(site, read, e, false, began); });
    } else {
      done(site, read, value, true, began);
    }
    return value;
  };
});
