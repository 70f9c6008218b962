import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import t from 'tap';
import type { Test } from 'tap';

import { runCommand } from '../../iptables/command.ts';
import { listKubeProxyRules } from '../../iptables/leftovers.ts';
import type { Leftover } from '../../iptables/leftovers.ts';
import { createNamespace, removeNamespace, runInNamespace } from '../../netns/namespace.ts';
import { skipUnlessRoot } from '../root.ts';

/** What kube-proxy writes for one Service with two endpoints, and kubelet and an administrator beside it. */
function kubeRules(address: string, endpoints: readonly string[], bits: string): string {
  const [first = '', second = ''] = endpoints;
  return `*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:KUBE-SVC-ERIFXISQEP7F7OF4 - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]
:WEFT-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m comment --comment "weft services" -j WEFT-SERVICES
-A PREROUTING -p tcp -m tcp --dport 7 -j ACCEPT
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-SERVICES -d ${address}/${bits} -p tcp -m comment --comment "default/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-ERIFXISQEP7F7OF4
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "default/web -> ${first}:8080" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SVC-ERIFXISQEP7F7OF4 -m comment --comment "default/web -> ${second}:8080" -j KUBE-SEP-BBBBBBBBBBBBBBBB
-A KUBE-SEP-AAAAAAAAAAAAAAAA -s ${first}/${bits} -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination [${first}]:8080
-A KUBE-SEP-BBBBBBBBBBBBBBBB -s ${second}/${bits} -m comment --comment "default/web" -j KUBE-MARK-MASQ
-A KUBE-SEP-BBBBBBBBBBBBBBBB -p tcp -m comment --comment "default/web" -m tcp -j DNAT --to-destination [${second}]:8080
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
`;
}

const rules = {
  iptables: kubeRules('10.96.0.20', ['10.244.1.2', '10.244.2.2'], '32').replaceAll(/\[([\d.]+)\]/g, '$1'),
  ip6tables: kubeRules('fd00:10:96::20', ['fd00:10:244:1::2', 'fd00:10:244:2::2'], '128'),
};

const kubelet = '*nat\n:KUBE-KUBELET-CANARY - [0:0]\n:KUBE-MARK-DROP - [0:0]\nCOMMIT\n';

class Bench implements Disposable {
  readonly #name = `weft-t-leftovers-${String(process.pid)}`;
  readonly #lockFile = `/tmp/${this.#name}.lock`;

  constructor() {
    process.env['XTABLES_LOCKFILE'] = this.#lockFile;
    createNamespace(this.#name).close();
  }

  [Symbol.dispose](): void {
    removeNamespace(this.#name);
    rmSync(this.#lockFile, { force: true });
  }

  shell(line: string, input = ''): string {
    return runInNamespace(this.#name, () =>
      execFileSync('sh', ['-c', line], { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'ignore'] }),
    );
  }

  /** As an agent in the namespace would find it; each step of it runs there. */
  async find(): Promise<Leftover[]> {
    return runInNamespace(this.#name, () =>
      listKubeProxyRules((program, args, input) =>
        runInNamespace(this.#name, () => runCommand(program, args, input)),
      ),
    );
  }

  /** Names of legacy tables that are there; reading this makes none. */
  legacyTables(): string {
    return runInNamespace(this.#name, () => readFileSync('/proc/thread-self/net/ip_tables_names', 'utf8'));
  }
}

async function finds(t: Test, bench: Bench, command: string): Promise<void> {
  const found = await bench.find();
  t.strictSame(
    found.map((leftover) => leftover.command),
    [command],
  );
  bench.shell(command);
  t.strictSame(await bench.find(), [], 'the command removes it');
}

if (skipUnlessRoot(t)) {
  for (const variant of ['nft', 'legacy']) {
    for (const [program, text] of Object.entries(rules)) {
      await t.test(`kube-proxy's ${program}-${variant} rules`, async (t) => {
        using bench = new Bench();
        bench.shell(`${program}-${variant}-restore --noflush`, kubelet);
        t.strictSame(await bench.find(), [], "kubelet's own chains are none of its");
        bench.shell(`${program}-${variant}-restore --noflush`, text);
        await finds(t, bench, `${program}-${variant}-save | grep -v KUBE- | ${program}-${variant}-restore`);
        const left = bench.shell(`${program}-${variant}-save`);
        t.match(left, /-A PREROUTING -p tcp -m tcp --dport 7 -j ACCEPT/, "others' rules stand");
        t.match(left, /-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT/);
        t.match(left, /-A PREROUTING .* -j WEFT-SERVICES/, 'and so do ours');
        t.notMatch(left, /KUBE-S/);
      });
    }
  }

  await t.test("kube-proxy's nftables tables", async (t) => {
    using bench = new Bench();
    bench.shell('nft add table ip kube-proxy-not; nft add table inet kube-proxy');
    t.strictSame(await bench.find(), [], 'names that only look alike');
    bench.shell(
      'nft -f -',
      `table ip kube-proxy {
         map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
         chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
         chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
       }`,
    );
    await finds(t, bench, 'nft delete table ip kube-proxy');
    bench.shell('nft add table ip6 kube-proxy');
    await finds(t, bench, 'nft delete table ip6 kube-proxy');
    t.equal(bench.legacyTables(), '', 'looking makes no legacy tables');
  });

  await t.test("kube-proxy's IPVS addresses", async (t) => {
    using bench = new Bench();
    // As a rule it is a dummy; the name is what tells.
    bench.shell('ip link add kube-ipvs0 type bridge');
    const found = await bench.find();
    t.strictSame(
      found.map(({ command }) => command),
      ['ip link delete kube-ipvs0 && ipvsadm --clear'],
    );
  });
}
