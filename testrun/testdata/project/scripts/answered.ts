// Who answers hears the message, a machine after its beep.
export default async function (call: any) {
  const who = await call.detectMachine();
  const beep = who.verdict === "machine" && (await call.waitForBeep({ timeout: "20s" }));
  await call.say("Ваш заказ готов");
  call.result = { verdict: who.verdict, cause: who.evidence.cause, beep: beep && beep.beep };
}
