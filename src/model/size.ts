const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** An amount and its unit: `2GB`, `1.5 GiB`. */
export const SIZE = /^\d{1,9}(?:\.\d{1,3})? ?(?:B|[kKMGT]B|[KMGT]iB)$/;

/** Such a text → bytes; undefined for anything else, a number without a unit included. */
export function parseSize(text: string): number | undefined {
  if (!SIZE.test(text)) return undefined;
  const [, amount, unit = ''] = /^([\d.]+) ?(.*)$/.exec(text) ?? [];
  return Math.round(Number(amount) * (UNITS[unit] ?? 1));
}
