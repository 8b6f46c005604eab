export default async (call) => { await call.say("Это напоминание."); call.result = { n: call.attempt?.n, campaign: call.campaign }; };
