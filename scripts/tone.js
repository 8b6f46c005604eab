export default async (call) => { await call.answer(); await call.play("tone:440/200ms"); }
