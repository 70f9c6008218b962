import type { BenchFigure, BenchResult } from './result.ts';

export function missesAim({ value, aim, higherIsBetter = false }: BenchFigure): boolean {
  return aim !== undefined && (higherIsBetter ? value < aim : value > aim);
}

/** One row per figure: value, aim, floor, peers, note. */
export function renderTable({ figures }: BenchResult): string {
  const rows = figures.map((figure) => [
    figure.name,
    renderValue(figure.value, figure.unit),
    figure.aim === undefined
      ? ''
      : `${figure.higherIsBetter ? '≥' : '≤'} ${renderValue(figure.aim, figure.unit)}`,
    figure.floor === undefined ? '' : renderValue(figure.floor, figure.unit),
    Object.entries(figure.peers ?? {})
      .map(([peer, value]) => `${peer} ${renderValue(value, figure.unit)}`)
      .join(', '),
    missesAim(figure) ? 'MISSED' : '',
    figure.note ?? '',
  ]);
  const table = [['figure', 'measured', 'aim', 'floor', 'peers', '', 'note'], ...rows];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return `${table
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')}\n`;
}

/** A bar per figure and per peer, with the aim as a line; each figure has a scale of its own. */
export function renderSvg({ name, figures }: BenchResult): string {
  const rowHeight = 22;
  const left = 260;
  const span = 420;
  let y = 34;
  const parts: string[] = [];
  for (const figure of figures) {
    const bars = [
      { label: figure.name, value: figure.value, color: missesAim(figure) ? '#c0392b' : '#1f6feb' },
      ...Object.entries(figure.peers ?? {}).map(([label, value]) => ({ label, value, color: '#8c959f' })),
      ...(figure.floor === undefined ? [] : [{ label: 'floor', value: figure.floor, color: '#d0d7de' }]),
    ];
    const top = Math.max(...bars.map(({ value }) => value), figure.aim ?? 0) || 1;
    const start = y;
    for (const { label, value, color } of bars) {
      const width = Math.max(1, (value / top) * span);
      parts.push(
        `<text x="${left - 8}" y="${y + 14}" text-anchor="end">${escape(label)}</text>`,
        `<rect x="${left}" y="${y + 3}" width="${width.toFixed(1)}" height="${rowHeight - 8}" fill="${color}"/>`,
        `<text x="${(left + width + 6).toFixed(1)}" y="${y + 14}">${renderValue(value, figure.unit)}</text>`,
      );
      y += rowHeight;
    }
    if (figure.aim !== undefined) {
      const x = (left + (figure.aim / top) * span).toFixed(1);
      parts.push(
        `<line x1="${x}" x2="${x}" y1="${start}" y2="${y}" stroke="#1a7f37" stroke-dasharray="3 3"/>`,
      );
    }
    y += 8;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="820" height="${y + 6}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="12" y="20" font-weight="bold">${escape(name)} (dashed: aim)</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function renderValue(value: number, unit: string): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit}`.trim();
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
