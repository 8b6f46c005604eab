// A BigInt of two gigabits.
// light: replaced
// full: alone
export default async function (call) {
  return BigInt(2) ** (BigInt(2) ** BigInt(34));
}
