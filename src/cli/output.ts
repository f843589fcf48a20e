import { inspect } from 'node:util';
import { CarpError } from '../ports/error.ts';

const STYLES = { bold: 1, red: 31, green: 32, yellow: 33, grey: 90 } as const;

/** Whether this stream is to be coloured: a terminal whose user did not object (no-color.org). */
const isColoured = (stream: NodeJS.WriteStream): boolean => {
  const { NO_COLOR, TERM } = process.env;
  return stream.isTTY === true && (NO_COLOR ?? '') === '' && TERM !== 'dumb';
};

/** Colours text that goes to `stream`, if that is a terminal. */
export const style = (name: keyof typeof STYLES, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  isColoured(stream) ? `\u001b[${STYLES[name]}m${text}\u001b[0m` : text;

/** One line of results. */
export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** One object a line, for programs. */
export const printJson = (value: unknown): void => print(JSON.stringify(value));

/** One line for the person at the terminal, beside the results. */
export const note = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

export const warn = (message: string): void => note(`${style('yellow', 'warning:', process.stderr)} ${message}`);

/** What a terminal would obey instead of showing: control characters, and those that turn the direction of text. */
const UNPRINTABLE = /[^\P{Cc}\n]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text with words of others in it, such as names of files, in which what is not printable is spelled out. */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (each) => `\\u{${each.charCodeAt(0).toString(16)}}`);

/** Shows a failure: what happened, then what to do. Only a defect of this program shows where it happened. */
export const printError = (error: unknown): void => {
  const label = style('red', 'carp:', process.stderr);
  if (error instanceof CarpError) {
    note(`${label} ${printable(error.message)}`);
    if (error.remedy !== undefined) note(`  ${printable(error.remedy)}`);
  } else note(`${label} this is a defect of this program, please report it:\n${printable(inspect(error))}`);
};
