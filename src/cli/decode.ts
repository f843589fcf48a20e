import { carpPacket } from '../engine/segment-packet.ts';
import { line, reportOf, Summary } from './advert-report.ts';
import { captureFrames } from './capture-input.ts';
import { givenKey, KEY_HELP, KEY_OPTIONS, verifierOf } from './decode-key.ts';
import { digestDoctor } from './doctor-digest.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { print, printJson } from './output.ts';

const HELP = `Usage: carp decode [--json] [--pass PASSWORD | --passfile FILE] [--address ADDRESS]... FILE.pcap

Shows each CARP advert of a packet capture: one line each, or one JSON object each with --json.
FILE.pcap is a pcap or pcapng file, as tcpdump and Wireshark write them; - reads standard input.

${KEY_HELP}`;

export const command: Command = {
  summary: 'show the adverts of a packet capture, with checksum and digest verdicts',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('decode', args, {
      options: {
        json: { type: 'boolean', default: false },
        ...KEY_OPTIONS,
      },
      allowPositionals: true,
    });
    const [file] = positionals;
    if (file === undefined || positionals.length > 1)
      throw usageError('decode', `decode takes one file, not ${positionals.length}`);
    const given = givenKey('decode', values);
    const verify = given === undefined ? () => 'unchecked' as const : verifierOf(given);
    const diagnose = given === undefined ? undefined : digestDoctor(given);
    const summary = new Summary();
    const sumUp = (): void => {
      if (values.json) return;
      print(`${summary}`);
      for (const { detail, remedy } of summary.diagnoses) print(`${detail}\n  try: ${remedy}`);
    };
    try {
      for await (const frame of captureFrames(file)) {
        const packet = carpPacket(frame);
        if (packet === undefined) summary.skip();
        else {
          const item = reportOf(packet, frame.at, { verify, diagnose });
          summary.add(item);
          if (values.json) printJson(item);
          else print(line(item));
        }
      }
    } catch (error) {
      if (!summary.isEmpty) sumUp();
      throw error;
    }
    sumUp();
    return Exit.done;
  },
};
