import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { readIfPresent, writeDurably } from './durable-file.ts';
import { ServerError } from './server-error.ts';

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const authorityDays = 3650;
const leafDays = 365;

/** A certificate with its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Who a certificate is for, as Kubernetes reads it: CN is the user, O are the groups. */
export interface Subject {
  readonly user: string;
  readonly groups: readonly string[];
  /** DNS names and addresses; with any of them the certificate also serves TLS. */
  readonly names: readonly string[];
}

/** The cluster's own certificate authority (EC P-256): every client and server of the cluster trusts only it. */
export class Authority {
  /** PEM. */
  readonly certificate: string;
  readonly #issuer: x509.X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(pair: KeyPair, key: webcrypto.CryptoKey) {
    this.certificate = pair.certificate;
    this.#issuer = new x509.X509Certificate(pair.certificate);
    this.#key = key;
  }

  /** Reads ca.crt and ca.key from `directory`, or makes them. */
  static async open(directory: string): Promise<Authority> {
    const files = pairFiles(directory, 'ca');
    const certificate = await readIfPresent(files.certificate);
    const key = await readIfPresent(files.key);
    if (certificate === undefined && key === undefined) {
      const pair = await makeAuthority();
      await writePair(directory, 'ca', pair);
      return new Authority(pair, await importPrivateKey(pair.key));
    }
    if (certificate === undefined || key === undefined) {
      const missing = certificate === undefined ? files.certificate : files.key;
      throw new ServerError('certificate', `${missing} is missing; restore it from a backup`);
    }
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new ServerError(
        'certificate',
        `${files.key} does not belong to ${files.certificate}; restore both`,
      );
    }
    return new Authority({ certificate, key }, await importPrivateKey(key));
  }

  /** sha256 of the certificate's DER form, in hex: what a join token carries. */
  get fingerprint(): string {
    return new X509Certificate(this.certificate).fingerprint256.replaceAll(':', '').toLowerCase();
  }

  /** A fresh key and its certificate. */
  async issue(subject: Subject): Promise<KeyPair> {
    const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
    return {
      certificate: await this.sign(subject, keys.publicKey),
      key: await exportPrivateKey(keys.privateKey),
    };
  }

  /** Signs a certificate request's key for `subject`; what the request says of its subject does not count. */
  async signRequest(subject: Subject, pem: string): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(pem);
    if (!(await request.verify())) throw new Error('the request is not signed by its own key');
    return this.sign(subject, request.publicKey);
  }

  private async sign(subject: Subject, publicKey: webcrypto.CryptoKey | x509.PublicKey): Promise<string> {
    const uses = [x509.ExtendedKeyUsage.clientAuth];
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      await x509.AuthorityKeyIdentifierExtension.create(this.#issuer),
    ];
    if (subject.names.length > 0) {
      uses.push(x509.ExtendedKeyUsage.serverAuth);
      extensions.push(new x509.SubjectAlternativeNameExtension(subject.names.map(alternativeName)));
    }
    extensions.push(new x509.ExtendedKeyUsageExtension(uses));
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(leafDays),
      serialNumber: serialNumber(),
      subject: [...subject.groups.map((group) => ({ O: [group] })), { CN: [subject.user] }],
      issuer: this.#issuer.subjectName,
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: ecdsa,
      extensions,
    });
    return `${certificate.toString('pem')}\n`;
  }
}

/** The pair `name` in `directory`, made anew when it is missing, near its end, of another authority or for other names. */
export async function ensurePair(
  directory: string,
  name: string,
  authority: Authority,
  subject: Subject,
): Promise<KeyPair> {
  const files = pairFiles(directory, name);
  const certificate = await readIfPresent(files.certificate);
  const key = await readIfPresent(files.key);
  if (certificate !== undefined && key !== undefined && isCurrent({ certificate, key }, authority, subject)) {
    return { certificate, key };
  }
  const pair = await authority.issue(subject);
  await writePair(directory, name, pair);
  return pair;
}

function isCurrent(pair: KeyPair, authority: Authority, subject: Subject): boolean {
  const certificate = new X509Certificate(pair.certificate);
  const left = certificate.validToDate.getTime() - Date.now();
  return (
    left > (leafDays * dayMs) / 3 &&
    certificate.verify(new X509Certificate(authority.certificate).publicKey) &&
    certificate.checkPrivateKey(createPrivateKey(pair.key)) &&
    subject.names.every(
      (name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined,
    )
  );
}

function pairFiles(directory: string, name: string): { certificate: string; key: string } {
  return { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
}

async function writePair(directory: string, name: string, pair: KeyPair): Promise<void> {
  const files = pairFiles(directory, name);
  await writeDurably(files.key, pair.key, 0o600);
  await writeDurably(files.certificate, pair.certificate, 0o644);
}

async function makeAuthority(): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(authorityDays),
    serialNumber: serialNumber(),
    name: [{ CN: ['weft-ca'] }],
    keys,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportPrivateKey(keys.privateKey) };
}

/** Begins an hour ago: the cluster's clocks may differ a little. */
function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + days * dayMs) };
}

/** RFC 5280, section 4.1.2.2: positive and at most 20 octets. */
function serialNumber(): string {
  return `01${randomBytes(15).toString('hex')}`;
}

function alternativeName(name: string): x509.JsonGeneralName {
  return { type: isIP(name) ? 'ip' : 'dns', value: name };
}

async function exportPrivateKey(key: webcrypto.CryptoKey): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
}

async function importPrivateKey(pem: string): Promise<webcrypto.CryptoKey> {
  const [pkcs8] = x509.PemConverter.decode(pem);
  if (!pkcs8) throw new ServerError('certificate', 'ca.key holds no private key');
  return webcrypto.subtle.importKey('pkcs8', pkcs8, ecdsa, false, ['sign']);
}
