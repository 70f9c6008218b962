import { execFileSync, spawn } from 'node:child_process';
import { closeSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { Socket, createServer } from 'node:net';
import { once } from 'node:events';
import t from 'tap';
import { isErrno } from '../../netns/kernel-error.ts';
import { setLink } from '../../netns/link.ts';
import * as namespaces from '../../netns/namespace.ts';
import { NetlinkSocket } from '../../netns/netlink.ts';
import { skipUnlessRoot } from '../root.ts';

const name = (suffix: string): string => `weft-test${process.pid}-${suffix}`;
const currentNamespace = (): string => readlinkSync('/proc/thread-self/ns/net');

if (skipUnlessRoot(t)) {
  const home = currentNamespace();

  t.test('make, enter, remove', (t) => {
    using namespace = namespaces.createNamespace(name('a'));
    t.equal(currentNamespace(), home, 'back home after making it');
    const inside = namespaces.runInNamespace(namespace, currentNamespace);
    t.not(inside, home);
    const links = JSON.parse(
      namespaces.runInNamespace(name('a'), () => execFileSync('ip', ['-j', 'link'], { encoding: 'utf8' })),
    ) as { ifname: string }[];
    t.match(links, [{ ifname: 'lo' }], 'children act there');
    const listed = JSON.parse(execFileSync('ip', ['-j', 'netns'], { encoding: 'utf8' })) as {
      name: string;
    }[];
    t.ok(
      listed.some((entry) => entry.name === name('a')),
      '`ip netns` knows it',
    );
    t.throws(() => namespaces.createNamespace(name('a')), { code: 'EEXIST' });
    t.ok(namespaces.listNamespaces().includes(name('a')), 'and the one that is there stays');
    namespaces.removeNamespace(name('a'));
    namespaces.removeNamespace(name('a'));
    t.notOk(namespaces.listNamespaces().includes(name('a')));
    t.throws(() => namespaces.openNamespace(name('a')), { code: 'ENOENT' });
    t.end();
  });

  t.test('one without a name', (t) => {
    const named = namespaces.listNamespaces();
    const namespace = namespaces.createNamelessNamespace();
    t.equal(currentNamespace(), home, 'back home after making it');
    const inside = namespaces.runInNamespace(namespace, currentNamespace);
    t.not(inside, home);
    t.same(
      namespaces.listNamespaces(),
      named,
      'there is no file that would outlive a process that is killed',
    );
    namespace.close();
    t.end();
  });

  t.test('an exception inside comes out, at home', (t) => {
    using namespace = namespaces.createNamespace(name('b'));
    t.throws(
      () =>
        namespaces.runInNamespace(namespace, () => {
          throw new Error('inside');
        }),
      { message: 'inside' },
    );
    t.equal(currentNamespace(), home);
    namespaces.removeNamespace(name('b'));
    t.end();
  });

  t.test('a file without a namespace behind it', (t) => {
    namespaces.createNamespace(name('keep')).close();
    writeFileSync(namespaces.namespacePath(name('half')), '');
    t.throws(() => namespaces.runInNamespace(name('half'), () => 0), { code: 'EINVAL' });
    t.equal(currentNamespace(), home);
    namespaces.removeNamespace(name('half'));
    namespaces.removeNamespace(name('keep'));
    t.notOk(namespaces.listNamespaces().includes(name('half')));
    t.end();
  });

  t.test('a listening socket made inside is used by a server outside', async (t) => {
    using namespace = namespaces.createNamespace(name('c'));
    using socket = new NetlinkSocket({ namespace });
    socket.request([setLink('lo', { up: true })]);
    for (const host of ['127.0.0.1', '::1']) {
      const fd = namespaces.listenInNamespace(namespace, { host, port: 0 });
      const port = namespaces.listeningPort(fd);
      const server = createServer((connection) => connection.end('from outside')).listen({ fd });
      await once(server, 'listening');
      const script = `exec 3<>/dev/tcp/${host}/${port}; cat <&3`;
      const bash = namespaces.runInNamespace(namespace, () => spawn('bash', ['-c', script]));
      let output = '';
      bash.stdout.on('data', (data: Buffer) => (output += data.toString()));
      await once(bash, 'close');
      t.equal(output, 'from outside', host);
      server.close();
    }
    namespaces.removeNamespace(name('c'));
  });

  t.test('connections from inside, and refusals', async (t) => {
    using namespace = namespaces.createNamespace(name('e'));
    using socket = new NetlinkSocket({ namespace });
    socket.request([setLink('lo', { up: true })]);
    for (const host of ['127.0.0.1', '::1']) {
      const fd = namespaces.listenInNamespace(namespace, { host, port: 80 });
      const server = createServer((connection) => connection.end('from inside')).listen({ fd });
      await once(server, 'listening');
      const client = new Socket({ fd: namespaces.connectInNamespace(namespace, { host, port: 80 }) });
      const [data] = (await once(client, 'data')) as [Buffer];
      t.equal(data.toString(), 'from inside', host);
      client.destroy();
      server.close();
      const refused = new Socket({ fd: namespaces.connectInNamespace(namespace, { host, port: 81 }) });
      refused.write(Buffer.alloc(0));
      const [error] = (await once(refused, 'error')) as [Error];
      t.match(error, { code: 'ECONNREFUSED' });
    }
    namespaces.removeNamespace(name('e'));
  });

  t.test('a taken port is said', (t) => {
    using namespace = namespaces.createNamespace(name('d'));
    using socket = new NetlinkSocket({ namespace });
    socket.request([setLink('lo', { up: true })]);
    const fd = namespaces.listenInNamespace(namespace, { host: '127.0.0.1', port: 80 });
    t.throws(() => namespaces.listenInNamespace(namespace, { host: '127.0.0.1', port: 80 }), {
      code: 'EADDRINUSE',
      message: 'bind 127.0.0.1 port 80: address already in use (EADDRINUSE)',
    });
    closeSync(fd);
    namespaces.removeNamespace(name('d'));
    t.end();
  });

  t.test('nothing is left behind', (t) => {
    t.same(namespaces.listNamespaces(name('')), []);
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(name('')));
    t.equal(isErrno(new Error('no code'), 'ENOENT'), false);
    t.end();
  });
}
