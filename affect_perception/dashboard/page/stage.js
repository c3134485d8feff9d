// Stage: people as emojis that glide to the positions of the newest message.
import { LEVELS, leading, newFace } from './face.js';

const GLIDE_MS = 90; // time constant: long enough to hide 20 messages a second, short enough not to add delay
const still = window.matchMedia('(prefers-reduced-motion: reduce)');

export class Stage {
  constructor(root) {
    this.root = root;
    this.faces = new Map();
    this.last = 0;
  }

  show(people, target, labels) {
    const seen = new Set(people.map((p) => p.id));
    for (const [id, face] of this.faces) if (!seen.has(id)) this.leave(id, face);
    for (const person of people) {
      const face = this.faces.get(person.id) ?? this.enter(person);
      face.to = person;
      face.smile = person.smile;
      const percent = person.smile === null ? '' : `${Math.round(person.smile * 100)} %`;
      const [word, strength] = leading(person, labels) ?? ['', 0];
      const label = person.level === 'unknown' ?
        `Person ${person.id}, ${word ? `${word} ${Math.round(strength * 100)} %` : 'smile not known'}` :
        `Person ${person.id}, ${LEVELS[person.level]}${person.level === 'neutral' ? '' : ' smile'}, ${percent}`;
      if (face.root.getAttribute('aria-label') !== label) face.root.setAttribute('aria-label', label);
      if (face.root.dataset.level !== person.level) face.root.dataset.level = person.level;
      face.root.classList.toggle('target', person.id === target);
      face.root.style.zIndex = Math.round(person.size * 1000);
      const text = `${person.id} · ${percent || word || '?'}`;
      if (face.name.textContent !== text) face.name.textContent = text;
      face.drawing.draw(person.level, person.smile, person.valence);
    }
  }

  enter(person) {
    const root = document.createElement('div');
    root.className = 'face';
    root.setAttribute('role', 'img');
    root.dataset.id = person.id;
    const drawing = newFace();
    const name = document.createElement('span');
    name.className = 'name';
    name.setAttribute('aria-hidden', 'true');
    root.append(drawing.svg, name);
    this.root.append(root);
    const face = { root, drawing, name, at: { x: person.x, y: person.y, size: person.size } };
    this.faces.set(person.id, face);
    return face;
  }

  leave(id, face) {
    this.faces.delete(id);
    face.root.classList.add('gone');
    face.root.removeAttribute('data-id');
    setTimeout(() => face.root.remove(), 300);
  }

  // Move the emojis; called before each repaint.
  move(now) {
    const share = still.matches ? 1 : 1 - Math.exp(-Math.min(now - this.last, 1000) / GLIDE_MS);
    this.last = now;
    const [width, height] = [this.root.clientWidth, this.root.clientHeight];
    for (const { root, at, to } of this.faces.values()) {
      for (const key of ['x', 'y', 'size']) at[key] += (to[key] - at[key]) * share;
      const side = at.size * Math.min(height, width * 0.55);
      const x = Math.min(Math.max(at.x * width - side / 2, 2), width - side - 2);
      const y = Math.min(Math.max(at.y * height - side / 2, 2), height - side - 24);
      const shape = `${x.toFixed(1)} ${y.toFixed(1)} ${side.toFixed(0)}`;
      if (shape === root.dataset.shape) continue; // nothing to paint
      root.dataset.shape = shape;
      root.style.width = root.style.height = `${side.toFixed(0)}px`;
      root.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
    }
  }
}
