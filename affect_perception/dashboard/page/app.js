// Main module of the page: one WebSocket, reconnected automatically; each message updates the elements.
import { LabelledBars, Plane, Sparkline, colourOf } from './charts.js';
import { LEVELS, leading, strongest } from './face.js';
import { Stage } from './stage.js';

const at = (id) => document.getElementById(id);
const wish = { pause: false, pictures: false };
const stage = new Stage(at('stage'));
const plane = new Plane(at('dots'));
const rows = new Map();
const ACTIONS = { idle: 'Idle', attend: 'Attends', greet: 'Greets', farewell: 'Says farewell', soothe: 'Soothes',
  mirror_smile: 'Mirrors a smile', amplify_smile: 'Amplifies a shared smile' };
let privacy = localStorage.getItem('privacy') === 'yes';
let allowed = true; // whether the server sends pictures (dashboard_pictures)
let socket = null;
let wait = 250;
let failed = 0;
let heard = 0;
let spoke = 0;

const percent = (value) => (value === null ? '–' : `${Math.round(value * 100)} %`);
const signed = (value) => (value === null ? '–' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`);

function set(id, text) { if (at(id).textContent !== text) at(id).textContent = text; }

function link(state, text) { at('link').dataset.state = state; set('link', text); }

function connect() {
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`);
  socket.binaryType = 'blob';
  socket.onopen = () => { wait = 250; failed = 0; heard = Date.now(); link('waiting', 'Connected'); tell(); };
  socket.onmessage = ({ data }) => {
    heard = Date.now();
    if (typeof data === 'string') show(JSON.parse(data)); else showPicture(data);
  };
  socket.onclose = () => {
    link('lost', 'Reconnecting …');
    at('stage').classList.add('stale');
    hidePicture();
    // After a change of the token the server answers with 401: reload for the login page.
    if (++failed % 4 === 0) fetch('app.js', { cache: 'no-store' }).then((r) => r.status === 401 && location.reload(), () => {});
    setTimeout(connect, wait);
    wait = Math.min(wait * 1.6, 3000);
  };
}

function tell() {
  const now = { pause: wish.pause || document.hidden, pictures: wish.pictures && allowed && !privacy };
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(now));
}

function show(message) {
  if (wish.pause) return;
  const { people, group, agent, status, labels } = message;
  const late = status.silent_s === null || status.silent_s > 2;
  link(late ? 'waiting' : 'live', late ? (status.silent_s === null ? 'Waiting for images' : `No images for ${Math.round(status.silent_s)} s`) : 'Live');
  at('stage').classList.toggle('stale', late && people.length > 0);
  at('empty').hidden = people.length > 0;
  set('empty', late ? 'Waiting for images …' : 'Nobody in view');
  set('count', String(people.length));
  set('fps', late ? '–' : status.fps.toFixed(0));
  set('latency', status.latency_ms === null ? '–' : `${Math.round(status.latency_ms)} ms`);
  set('dropped', status.dropped === null ? '–' : String(status.dropped));
  stage.show(people, agent ? agent.target : -1, labels);
  at('stage').dataset.stamp = message.stamp_ms ?? '';
  showList(people, labels);
  at('no-plane').hidden = plane.show(people, group);
  showGroup(people, group);
  set('action', agent ? (ACTIONS[agent.action] ?? agent.action) + (agent.target >= 0 ? ` · person ${agent.target}` : '') : '–');
  set('reason', agent ? `because ${agent.reason}` : 'No agent is running.');
  showNodes(status.nodes);
  if (allowed !== message.pictures) { allowed = message.pictures; buttons(); tell(); }
  speak(people, labels);
}

function showList(people, labels) {
  const now = performance.now();
  const ids = new Set(people.map((p) => p.id));
  for (const [id, row] of rows) if (!ids.has(id)) { row.root.remove(); rows.delete(id); }
  for (const p of [...people].sort((a, b) => a.id - b.id)) {
    let row = rows.get(p.id);
    if (!row) {
      const root = document.createElement('li');
      const [dot, id, level, canvas, smile, va, values] = ['i', 'strong', 'span', 'canvas', 'b', 'span', 'dl'].map((t) => document.createElement(t));
      dot.style.background = colourOf(p.id);
      id.textContent = p.id;
      canvas.setAttribute('aria-hidden', 'true');
      va.className = 'va';
      values.className = 'values';
      root.append(dot, id, level, canvas, smile, va, values);
      const after = [...rows.values()].find((other) => other.id > p.id);
      at('people').insertBefore(root, after ? after.root : null);
      row = { id: p.id, root, level, smile, va, values: new LabelledBars(values), line: new Sparkline(canvas, colourOf(p.id)) };
      rows.set(p.id, row);
    }
    const [word, strength] = leading(p, labels) ?? [LEVELS[p.level], p.smile];
    row.level.textContent = row.level.title = word + (p.speaking >= 0.5 ? ', speaks' : ''); // null >= 0.5 is false
    row.smile.textContent = percent(strength);
    row.root.classList.toggle('other', word !== LEVELS[p.level]);
    row.va.textContent = [
      p.valence === null && p.arousal === null ? '' : `valence ${signed(p.valence)}  arousal ${signed(p.arousal)}`,
      p.distance_m === null ? '' : `about ${p.distance_m.toFixed(1)} m`].join('  ');
    row.values.show([
      ...strongest(labels.expressions, p.expressions).slice(0, 2), // probabilities: the others share what is left
      ...labels.reactions.map((label, i) => [label.replaceAll('_', ' '), p.reactions[i] ?? null]),
    ]);
    row.line.add(now, p.smile);
  }
}

function showGroup(people, group) {
  const known = people.length > 0 && (group.valence ?? group.smile) !== null;
  const words = group.smile > 0.6 ? 'Cheerful' : group.valence === null ? (group.smile > 0.3 ? 'Friendly' : 'Neutral') :
    group.valence < -0.15 ? (group.arousal > 0.15 ? 'Tense' : 'Low') : group.valence > 0.12 ? (group.arousal > 0.3 ? 'Excited' : 'Pleasant') : 'Neutral';
  set('mood', known ? words : '–');
  for (const [name, value] of Object.entries(group)) {
    at(`g-${name}`).value = value ?? (name === 'smile' ? 0 : -1);
    set(`n-${name}`, name === 'smile' ? percent(value) : signed(value));
  }
}

function showNodes(nodes) {
  const text = JSON.stringify(nodes);
  if (at('nodes').dataset.text === text) return;
  at('nodes').dataset.text = text;
  at('nodes').replaceChildren(...nodes.map(({ name, level, message }) => {
    const [item, title, what] = ['li', 'b', 'span'].map((t) => document.createElement(t));
    item.dataset.level = level;
    title.textContent = name;
    what.textContent = message;
    item.append(title, what);
    return item;
  }));
}

// Text for screen readers: people in view and their levels, on a change, at most every five seconds.
function speak(people, labels) {
  const text = people.length ? `${people.length} ${people.length > 1 ? 'people' : 'person'}: ` +
    people.slice(0, 8).map((p) => `${p.id} ${(leading(p, labels) ?? [LEVELS[p.level]])[0]}`).join(', ') : 'Nobody in view';
  if (Date.now() - spoke > 5000 && at('spoken').textContent !== text) { spoke = Date.now(); set('spoken', text); }
}

function showPicture(blob) {
  if (!wish.pictures || privacy || wish.pause) return;
  const url = URL.createObjectURL(blob);
  const picture = at('picture');
  picture.onload = picture.onerror = () => URL.revokeObjectURL(url);
  picture.src = url;
  picture.hidden = false;
  at('no-picture').hidden = true;
}

function hidePicture() {
  at('picture').hidden = true;
  at('picture').removeAttribute('src');
  at('no-picture').hidden = false;
  set('no-picture', !allowed ? 'The server is in privacy mode: it gives no pictures.' :
    privacy ? 'Privacy: no pictures at all.' :
      wish.pictures ? 'Waiting for a picture (marker_node makes it) …' : 'The camera picture is off. It is sent only while it is shown.');
}

function buttons() {
  at('pause').setAttribute('aria-pressed', wish.pause);
  at('privacy').setAttribute('aria-pressed', privacy || !allowed);
  at('privacy').disabled = !allowed;
  at('camera').setAttribute('aria-pressed', wish.pictures && !privacy && allowed);
  at('camera').disabled = privacy || !allowed;
  if (!wish.pictures || privacy || !allowed) hidePicture();
  else if (at('picture').hidden) hidePicture();
}

const does = {
  pause() { wish.pause = !wish.pause; if (wish.pause) link('waiting', 'Paused'); },
  camera() { if (!privacy && allowed) wish.pictures = !wish.pictures; },
  privacy() { privacy = !privacy; localStorage.setItem('privacy', privacy ? 'yes' : 'no'); },
  theme() { theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'); },
};

function theme(name) { document.documentElement.dataset.theme = name; localStorage.setItem('theme', name); }

for (const [name, act] of Object.entries(does)) at(name).onclick = () => { act(); buttons(); tell(); };
document.addEventListener('keydown', (event) => {
  const name = { p: 'pause', c: 'camera', v: 'privacy', t: 'theme' }[event.key.toLowerCase()];
  if (name && !event.ctrlKey && !event.metaKey && !event.altKey && !event.repeat) at(name).click();
});
document.addEventListener('visibilitychange', tell);
document.documentElement.dataset.theme = localStorage.getItem('theme') ??
  (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');

let drew = 0;
function frame(now) {
  stage.move(now);
  if (now - drew > 100 && !wish.pause) { drew = now; for (const row of rows.values()) row.line.draw(now); }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);
// Close the connection of a server that has sent nothing for 5 s: it sends at least once a second.
setInterval(() => { if (!wish.pause && !document.hidden && socket.readyState === WebSocket.OPEN && Date.now() - heard > 5000) socket.close(); }, 1000);
buttons();
connect();
