import { test } from "loopstart:test";

test("not run", () => { throw new Error("it ran"); });
test.only("only this", () => {});
