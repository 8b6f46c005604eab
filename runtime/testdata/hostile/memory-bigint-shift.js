// A BigInt shifted by a trillion.
// light: replaced
// full: alone
export default async function (call) {
  return BigInt(1) << (BigInt(1) << BigInt(40));
}
