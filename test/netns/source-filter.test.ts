import t from 'tap';
import type { FilterInstruction } from '../../netns/bpf.ts';
import { encodeIp } from '../../netns/ip.ts';
import { filterSources } from '../../netns/source-filter.ts';

/** What the kernel does with such a program (Documentation/networking/filter.rst), for a packet from `source`. */
function takes(program: readonly FilterInstruction[], source: string): boolean {
  const six = source.includes(':');
  const header = Buffer.alloc(40);
  header.set(encodeIp(source), six ? 8 : 12);
  let accumulator = 0;
  for (let at = 0; ; at += 1) {
    const { code, value, jumpTrue = 0, jumpFalse = 0 } = program[at] ?? { code: -1, value: 0 };
    if (code === 0x20) accumulator = header.readUInt32BE(value - 0xfff00000);
    else if (code === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (code === 0x15) at += accumulator === value ? jumpTrue : jumpFalse;
    else if (code === 0x06) return value > 0;
    else throw new RangeError(`instruction ${at}: ${code}`);
  }
}

t.test('sources in and out of ranges', (t) => {
  const rows: readonly (readonly [cidrs: readonly string[], source: string, taken: boolean])[] = [
    [['10.244.0.0/16'], '10.244.0.0', true],
    [['10.244.0.0/16'], '10.244.255.255', true],
    [['10.244.0.0/16'], '10.245.0.0', false],
    [['10.244.0.0/16'], '10.243.255.255', false],
    [['10.244.0.0/16', '192.0.2.0/29'], '192.0.2.7', true],
    [['10.244.0.0/16', '192.0.2.0/29'], '192.0.2.8', false],
    [['10.244.1.7/32'], '10.244.1.7', true],
    [['10.244.1.7/32'], '10.244.1.6', false],
    [['0.0.0.0/0'], '203.0.113.9', true],
    [['128.0.0.0/1'], '203.0.113.9', true],
    [['128.0.0.0/1'], '127.0.0.1', false],
    [['fd00::/8'], '10.244.0.1', false],
    [[], '10.244.0.1', false],
    [['fd00:10:244::/56'], 'fd00:10:244:ff::1', true],
    [['fd00:10:244::/56'], 'fd00:10:244:100::1', false],
    [['fd00:10:244::/56'], 'fd00:10:245::1', false],
    [['2001:db8::/32', 'fd00:10:244::/56'], 'fd00:10:244::1', true],
    [['fd00:10:244::/56', '2001:db8::/32'], '2001:db8:ffff::1', true],
    [['fd00:10:244::7/128'], 'fd00:10:244::7', true],
    [['fd00:10:244::7/128'], 'fd00:10:244::1:7', false],
    [['::/0'], '2001:db8::1', true],
    [['10.0.0.0/8'], '2001:db8::1', false],
  ];
  for (const [cidrs, source, taken] of rows) {
    const program = filterSources(source.includes(':') ? 'ipv6' : 'ipv4', cidrs);
    t.equal(takes(program, source), taken, `${source} of ${cidrs.join(' ') || 'none'}`);
  }
  t.end();
});
