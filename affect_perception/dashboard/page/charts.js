// Sparklines of smile intensity and the plane of valence and arousal.
import { make } from './face.js';

// Distinguishable with red-green colour blindness (Okabe and Ito), darkened for contrast on white.
const COLOURS = ['#0072b2', '#c14f00', '#00815f', '#a8487f', '#8a6d00', '#2a80b9', '#6b4fb3', '#5a6472'];
const SPAN_MS = 30000;
const BOUNDS = [1 / 8, 3 / 8, 3 / 4]; // smile intensities between the levels

export const colourOf = (id) => COLOURS[id % COLOURS.length];

export class Sparkline {
  constructor(canvas, colour) { Object.assign(this, { canvas, colour, points: [] }); }

  add(now, value) {
    this.points.push([now, value]);
    while (this.points[0][0] < now - SPAN_MS) this.points.shift();
  }

  draw(now) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const to = this.canvas.getContext('2d');
    to.setTransform(ratio, 0, 0, ratio, 0, 0);
    to.clearRect(0, 0, width, height);
    const y = (value) => height - 2 - value * (height - 4);
    to.strokeStyle = '#8888';
    to.lineWidth = 0.5;
    to.beginPath();
    for (const bound of BOUNDS) { to.moveTo(0, y(bound)); to.lineTo(width, y(bound)); }
    to.stroke();
    to.strokeStyle = this.colour;
    to.lineWidth = 2;
    to.lineJoin = 'round';
    to.beginPath();
    let before = null;
    for (const [at, value] of this.points) {
      const x = width - 2 - ((now - at) / SPAN_MS) * width;
      if (value !== null) (before === null || at - before > 1500 ? to.moveTo(x, y(value)) : to.lineTo(x, y(value)));
      before = value === null ? null : at;
    }
    to.stroke();
  }
}

// A list of names with bars of values in [0, 1]; null hides a value.
export class LabelledBars {
  constructor(list) { Object.assign(this, { list, names: '', parts: [] }); }

  show(values) {
    const names = values.map(([name]) => name).join('|');
    if (names !== this.names) {
      this.names = names;
      this.parts = values.map(([name]) => {
        const [item, term, bar, text] = ['div', 'dt', 'i', 'dd'].map((t) => document.createElement(t));
        term.textContent = name;
        item.append(term, text, bar);
        return { item, bar, text };
      });
      this.list.replaceChildren(...this.parts.map(({ item }) => item));
    }
    values.forEach(([, value], i) => {
      const { item, bar, text } = this.parts[i];
      item.hidden = value === null;
      const percent = `${Math.round((value ?? 0) * 100)} %`;
      if (text.textContent !== percent) { text.textContent = percent; bar.style.setProperty('--value', percent.replace(' ', '')); }
    });
  }
}

export class Plane {
  constructor(group) {
    this.group = group;
    this.dots = new Map();
    this.mean = make('circle', { class: 'mean', r: 13 }, group);
  }

  show(people, mood) {
    const known = people.filter((p) => p.valence !== null && p.arousal !== null);
    const ids = new Set(known.map((p) => p.id));
    for (const [id, dot] of this.dots) if (!ids.has(id)) { dot.remove(); this.dots.delete(id); }
    for (const p of known) {
      if (!this.dots.has(p.id)) {
        const dot = make('g', {}, this.group);
        make('circle', { class: 'dot', r: 8, fill: colourOf(p.id) }, dot);
        make('text', {}, dot).textContent = p.id;
        this.dots.set(p.id, dot);
      }
      this.dots.get(p.id).setAttribute('transform', `translate(${p.valence * 100} ${-p.arousal * 100})`);
    }
    const has = mood.valence !== null && mood.arousal !== null && known.length > 1;
    this.mean.style.display = has ? '' : 'none';
    if (has) this.mean.setAttribute('transform', `translate(${mood.valence * 100} ${-mood.arousal * 100})`);
    return known.length > 0 || people.length === 0;
  }
}
