import { listOf, renderValue } from './nftables-sets.ts';
import { member, tagged } from './nftables-values.ts';
import type { Json } from './nftables-values.ts';

/** A rule as `nft list` shows it, from its JSON: what is not known here stays JSON. */
export function renderRule(statements: readonly Json[]): string {
  return statements.map(renderStatement).join(' ');
}

function renderStatement(json: Json): string {
  const [tag, body] = tagged(json);
  const of = (key: string): string => renderExpression(member(body, key));
  switch (tag) {
    case '':
      return renderValue(json);
    case 'match':
      return `${of('left')}${member(body, 'op') === '!=' ? ' !=' : ''} ${of('right')}`;
    case 'mangle':
      return `${of('key')} set ${of('value')}`;
    case 'vmap':
      return `${of('key')} vmap ${of('data')}`;
    case 'dnat':
      return `dnat ${of('family')} to ${of('addr')}${member(body, 'port') === undefined ? '' : `:${of('port')}`}`;
    case 'masquerade':
      return ['masquerade', ...listOf(member(body, 'flags')).map(renderValue)].join(' ');
    case 'reject':
      return member(body, 'type') === undefined
        ? 'reject'
        : `reject with ${[of('type'), member(body, 'expr') === undefined ? '' : of('expr')].join(' ').trim()}`;
    default:
      return body === null ? tag : renderValue(json);
  }
}

function renderExpression(json: Json | undefined): string {
  const [tag, body] = tagged(json);
  const of = (key: string): string => renderExpression(member(body, key));
  switch (tag) {
    case 'payload':
      return `${of('protocol')} ${of('field')}`;
    case 'meta':
    case 'ct':
    case 'socket':
      return `${tag} ${of('key')}`;
    case 'fib':
      return `fib ${listOf(member(body, 'flags')).map(renderValue).join(' . ')} ${of('result')}`;
    case 'map':
      return `${of('key')} map ${of('data')}`;
    case 'numgen':
      return `numgen ${of('mode')} mod ${of('mod')} offset ${of('offset')}`;
    case 'jhash':
      return `jhash ${of('expr')}`;
    case 'concat':
      return listOf(body).map(renderExpression).join(' . ');
    case '&':
    case '|':
    case '^':
      return listOf(body).map(renderExpression).join(` ${tag} `);
    default:
      return renderValue(json);
  }
}
