/** Lines over a linear x axis and a logarithmic y axis. */
export interface Plot {
  readonly title: string;
  readonly x: { readonly label: string; readonly ticks: readonly number[] };
  readonly y: { readonly label: string; readonly ticks: readonly number[] };
  readonly lines: readonly PlotLine[];
}

interface PlotLine {
  readonly name: string;
  /** Ours stand out; others are grey. */
  readonly ours: boolean;
  /** Sorted by x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

const size = { width: 820, height: 430 };
const frame = { left: 70, right: 560, top: 48, bottom: 370 };
const labelHeight = 15;

/** Colours for light and for dark: GitHub shows a picture in either, as its reader likes. */
const style = `
  text { font: 12px sans-serif; fill: #1f2328; }
  .title { font-weight: bold; font-size: 14px; }
  .background { fill: #ffffff; }
  .grid { stroke: #d1d9e0; }
  path { fill: none; stroke-width: 2; }
  .ours path { stroke: #1f6feb; } .ours circle, .ours text { fill: #1f6feb; }
  .others path { stroke: #6e7781; } .others circle, .others text { fill: #6e7781; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .background { fill: #0d1117; }
    .grid { stroke: #3d444d; }
    .ours path { stroke: #58a6ff; } .ours circle, .ours text { fill: #58a6ff; }
    .others path { stroke: #9198a1; } .others circle, .others text { fill: #9198a1; }
  }`;

const dashes = ['none', '7 4', '2 3'];

export function renderPlot(plot: Plot): string {
  const x = scale(plot.x.ticks, frame.left, frame.right, (value) => value);
  const y = scale(plot.y.ticks, frame.bottom, frame.top, Math.log);
  const names = placeNames(plot.lines, y);
  const dash = new Map<boolean, number>();
  const lines = plot.lines.map((line) => {
    const kind = dash.get(line.ours) ?? 0;
    dash.set(line.ours, kind + 1);
    const at = line.points.map((point) => [x(point[0]).toFixed(1), y(point[1]).toFixed(1)] as const);
    const [endX = '0', endY = '0'] = at.at(-1) ?? [];
    const nameY = names.get(line.name) ?? 0;
    return [
      `<g class="${line.ours ? 'ours' : 'others'}">`,
      `<path d="M ${at.map((point) => point.join(' ')).join(' L ')}" stroke-dasharray="${dashes[kind % dashes.length] ?? ''}"/>`,
      ...at.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3"/>`),
      `<path d="M ${endX} ${endY} L ${frame.right + 14} ${nameY.toFixed(1)}" style="stroke-width: 0.5"/>`,
      `<text x="${frame.right + 18}" y="${(nameY + 4).toFixed(1)}">${escape(line.name)}</text>`,
      '</g>',
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}">`,
    `<style>${style}</style>`,
    '<rect class="background" width="100%" height="100%"/>',
    `<text class="title" x="12" y="22">${escape(plot.title)}</text>`,
    ...plot.y.ticks.flatMap((tick) => [
      `<line class="grid" x1="${frame.left}" x2="${frame.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/>`,
      `<text x="${frame.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${tick}</text>`,
    ]),
    ...plot.x.ticks.map(
      (tick) =>
        `<text x="${x(tick).toFixed(1)}" y="${frame.bottom + 18}" text-anchor="middle">${tick.toLocaleString('en')}</text>`,
    ),
    `<text x="${(frame.left + frame.right) / 2}" y="${frame.bottom + 40}" text-anchor="middle">${escape(plot.x.label)}</text>`,
    `<text transform="translate(20 ${(frame.top + frame.bottom) / 2}) rotate(-90)" text-anchor="middle">${escape(plot.y.label)}</text>`,
    ...lines,
    '</svg>\n',
  ].join('\n');
}

/** Maps the range of the ticks to coordinates, each value by what `measure` makes of it. */
function scale(
  ticks: readonly number[],
  from: number,
  to: number,
  measure: (value: number) => number,
): (value: number) => number {
  const [low, high] = [measure(Math.min(...ticks)), measure(Math.max(...ticks))];
  return (value) => from + ((measure(value) - low) / (high - low)) * (to - from);
}

/** Where each line's name stands: beside its end, but not on another name. */
function placeNames(lines: readonly PlotLine[], y: (value: number) => number): Map<string, number> {
  const places = new Map<string, number>();
  let floor = -Infinity;
  const ends = lines.map(({ name, points }) => ({ name, y: y(points.at(-1)?.[1] ?? 1) }));
  const crowded = labelHeight * lines.length;
  for (const end of ends.sort((a, b) => a.y - b.y)) {
    // Names go down from where they want to be: those at the bottom need room below them.
    const highest = frame.bottom - crowded + labelHeight * (places.size + 1);
    floor = Math.max(Math.min(end.y, highest), floor + labelHeight);
    places.set(end.name, floor);
  }
  return places;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
