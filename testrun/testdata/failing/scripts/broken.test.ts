import { tset } from "loopstart:test";

tset("x", () => {});
