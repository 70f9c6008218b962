import { constants, createDeflate, createInflate } from 'node:zlib';
import type { Deflate, Inflate } from 'node:zlib';
import { StreamError } from './stream-error.ts';

/** Headers of one stream; names are lower case, several values of one name are joined by NUL. */
export type SpdyHeaders = ReadonlyMap<string, string>;

const words = (
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age ' +
  'allow authorization cache-control connection content-base content-encoding content-language content-length ' +
  'content-location content-md5 content-range content-type date etag expect expires from host if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma ' +
  'proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade ' +
  'user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie ' +
  'keep-alive origin'
)
  .split(' ')
  .map((word) => word.replace('_', ' '));

const tail =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
  '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,' +
  'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

/** The dictionary of SPDY/3 (draft-mbelshe-httpbis-spdy-00 section 2.6.10.1): words with their length, then a tail. */
export const spdyDictionary: Buffer = Buffer.concat([
  ...words.flatMap((word) => [uint32(word.length), Buffer.from(word, 'latin1')]),
  Buffer.from(tail, 'latin1'),
]);

/** Far above what remotecommand sends; a small compressed block could otherwise unfold to gigabytes. */
const maxBlockBytes = 256 * 1024;

/**
 * One direction's header compression: a single zlib stream over the whole connection, flushed after each block.
 * Calls must not overlap: a block's meaning depends on all blocks before it.
 */
class BlockStream {
  readonly #zlib: Deflate | Inflate;
  #output: Buffer[] = [];
  #length = 0;
  #error: Error | undefined;

  constructor(zlib: Deflate | Inflate) {
    this.#zlib = zlib;
    zlib.on('data', (chunk: Buffer) => {
      this.#length += chunk.length;
      this.#output.push(chunk);
      if (this.#length <= maxBlockBytes) return;
      this.#error = new StreamError(400, 'SPDY header block is too long');
      zlib.destroy();
    });
    zlib.on('error', (error) => {
      this.#error = error;
    });
  }

  transform(block: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#error) {
        reject(this.#error);
        return;
      }
      const fail = (error: Error): void => reject(error);
      this.#zlib.once('error', fail);
      this.#zlib.write(block, () => {
        this.#zlib.off('error', fail);
        const output = Buffer.concat(this.#output);
        this.#output = [];
        this.#length = 0;
        if (this.#error) reject(this.#error);
        else resolve(output);
      });
    });
  }

  close(): void {
    this.#zlib.destroy();
  }
}

/** Compresses and decompresses the header blocks of one connection. */
export class SpdyHeaderCodec {
  readonly #deflate = new BlockStream(
    createDeflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH }),
  );
  readonly #inflate = new BlockStream(
    createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH }),
  );

  encode(headers: SpdyHeaders): Promise<Buffer> {
    const parts = [uint32(headers.size)];
    for (const [name, value] of headers) {
      for (const text of [Buffer.from(name), Buffer.from(value)]) parts.push(uint32(text.length), text);
    }
    return this.#deflate.transform(Buffer.concat(parts));
  }

  /** Throws when the block is not zlib, uses another dictionary or is no list of names and values. */
  async decode(block: Buffer): Promise<SpdyHeaders> {
    return parseHeaders(await this.#inflate.transform(block));
  }

  close(): void {
    this.#deflate.close();
    this.#inflate.close();
  }
}

function parseHeaders(block: Buffer): SpdyHeaders {
  const headers = new Map<string, string>();
  let offset = 0;
  const take = (length: number): Buffer => {
    if (offset + length > block.length) throw new StreamError(400, 'SPDY header block is cut short');
    offset += length;
    return block.subarray(offset - length, offset);
  };
  const takeText = (): string => take(take(4).readUInt32BE()).toString('utf8');
  for (let left = take(4).readUInt32BE(); left > 0; left -= 1) {
    headers.set(takeText().toLowerCase(), takeText());
  }
  return headers;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
}
