/** Numbers that must not be mixed up. Each has one maker, which checks the range. */

declare const unit: unique symbol;
/** A number that knows what it counts. */
export type Branded<Unit extends string> = number & { readonly [unit]: Unit };

/** Virtual host id: which group of hosts an advert speaks for, 1..255. */
export type Vhid = Branded<'Vhid'>;
/** Seconds between two adverts, 0..255. 0 is OpenBSD's sub-second mode. */
export type AdvBase = Branded<'AdvBase'>;
/** Delay added to the interval in 1/256 s, 0..255. A higher skew loses elections. */
export type AdvSkew = Branded<'AdvSkew'>;
/** CARP's own unit of time, 1/256 s. Intervals are compared in it, because milliseconds would round. */
export type Ticks = Branded<'Ticks'>;
/** Milliseconds: a span, or a point on the monotonic clock. Never wall-clock time. */
export type Millis = Branded<'Millis'>;

const whole = (name: string, low: number, high: number, value: number): number => {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(`${name} must be a whole number from ${low} to ${high}, but is ${value}`);
};

/** @throws RangeError unless 1..255 */
export const vhid = (value: number): Vhid => whole('vhid', 1, 255, value) as Vhid;
/** @throws RangeError unless 0..255 */
export const advBase = (value: number): AdvBase => whole('advbase', 0, 255, value) as AdvBase;
/** @throws RangeError unless 0..255. Configuration stops at 254: 255 is for a bow-out. */
export const advSkew = (value: number): AdvSkew => whole('advskew', 0, 255, value) as AdvSkew;
/** @throws RangeError unless it is a finite number */
export const millis = (value: number): Millis => {
  if (Number.isFinite(value)) return value as Millis;
  throw new RangeError(`a time in milliseconds must be finite, but is ${value}`);
};
/** Seconds, as configuration writes them, in milliseconds. */
export const seconds = (value: number): Millis => millis(value * 1000);

/** Rounds up: a timer that fires a moment late is harmless, one that fires early is a false failover. */
export const toMillis = (ticks: Ticks): Millis => Math.ceil((ticks * 1000) / 256) as Millis;
/** Exact, for due times that are added up: rounding each interval would drift. */
export const toExactMillis = (ticks: Ticks): Millis => ((ticks * 1000) / 256) as Millis;
