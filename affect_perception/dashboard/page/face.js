// Emoji drawn as SVG: identical on every machine, and continuous in the intensity between the levels.
const SVG = 'http://www.w3.org/2000/svg';
export const LEVELS = { neutral: 'neutral', low: 'slight', medium: 'medium', high: 'broad', unknown: 'unknown' };

// [label in words, value] of every known value, the highest first.
export const strongest = (labels, values) => labels.map((label, i) => [label.replaceAll('_', ' '), values[i] ?? null])
  .filter(([, value]) => value !== null).sort((a, b) => b[1] - a[1]);

// Of a person without a smile level: [label, value] of the most probable expression, else of the strongest reaction.
export const leading = (person, labels) => (person.level !== 'unknown' ? undefined :
  strongest(labels.expressions, person.expressions)[0] ?? strongest(labels.reactions, person.reactions)[0]);

export function make(tag, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

export function newFace() {
  const svg = make('svg', { viewBox: '0 0 100 100', 'aria-hidden': 'true' });
  make('circle', { class: 'halo', cx: 50, cy: 50, r: 54 }, svg);
  make('circle', { class: 'shade', cx: 50, cy: 53, r: 46.5 }, svg);
  const skin = make('circle', { cx: 50, cy: 50, r: 46 }, svg);
  const cheeks = make('g', { class: 'cheek' }, svg);
  for (const x of [22, 78]) make('circle', { cx: x, cy: 60, r: 9 }, cheeks);
  const eyes = make('g', {}, svg);
  const mouth = make('g', {}, svg);
  let drawn = '';
  return { svg, draw(level, smile, valence) {
    const s = smile === null ? 0 : smile;
    const felt = level === 'unknown' && valence !== null; // a model without a smile: the mouth follows the valence
    const key = `${level} ${s.toFixed(2)} ${(felt ? valence : Math.min(valence ?? 0, 0)).toFixed(1)}`;
    if (key === drawn) return;
    drawn = key;
    skin.setAttribute('fill', level === 'unknown' && !felt ? 'url(#pale)' : 'url(#skin)');
    cheeks.setAttribute('opacity', level === 'unknown' ? 0 : Math.max(0, s - 0.2) * 0.55);
    eyes.replaceChildren();
    mouth.replaceChildren();
    if (level === 'high') make('path', { class: 'line', d: 'M26 44 Q34 31 42 44 M58 44 Q66 31 74 44' }, eyes);
    else for (const x of [34, 66]) make('ellipse', { class: 'ink', cx: x, cy: 41, rx: 5.2, ry: 7 - 2 * s }, eyes);
    const half = 15 + 12 * s;
    const [left, right] = [50 - half, 50 + half];
    if (level === 'medium' || level === 'high') {
      const deep = 14 + 40 * s;
      make('path', { class: 'ink', d: `M${left} 57 Q50 60 ${right} 57 Q${right - 2} ${57 + deep * 0.8} 50 ${57 + deep * 0.62} Q${left + 2} ${57 + deep * 0.8} ${left} 57Z` }, mouth);
      make('path', { class: 'teeth', d: `M${left + 4} 59 Q50 62 ${right - 4} 59 L${right - 6} ${60 + deep * 0.16} Q50 ${63 + deep * 0.18} ${left + 6} ${60 + deep * 0.16}Z` }, mouth);
      if (level === 'high') make('ellipse', { class: 'tongue', cx: 50, cy: 57 + deep * 0.5, rx: half * 0.42, ry: deep * 0.09 }, mouth);
    } else {
      const bend = felt ? 22 * valence : level === 'unknown' ? 0 : 44 * s - 14 * Math.max(0, -(valence ?? 0)) * (1 - s);
      make('path', { class: 'line', d: `M${left} ${66 - bend / 4} Q50 ${66 + bend * 0.75} ${right} ${66 - bend / 4}` }, mouth);
    }
  } };
}
