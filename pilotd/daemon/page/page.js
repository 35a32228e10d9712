'use strict';
/* The page works without this. It switches the theme and searches as one types. */

const theme = document.getElementById('theme');
const dark = matchMedia('(prefers-color-scheme: dark)');
const kept = { // a browser may forbid it
  get() { try { return localStorage.getItem('pilotd-theme'); } catch { return null; } },
  set(value) { try { localStorage.setItem('pilotd-theme', value); } catch { /* for this page alone */ } },
};

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : dark.matches;
}

function nameTheme() {
  theme.textContent = isDark() ? 'Light theme' : 'Dark theme';
}

function chooseTheme(name) {
  if (name === 'dark' || name === 'light') document.documentElement.dataset.theme = name;
  nameTheme();
}

theme.hidden = false;
chooseTheme(kept.get());
dark.addEventListener('change', nameTheme);
theme.addEventListener('click', () => {
  const name = isDark() ? 'light' : 'dark';
  kept.set(name);
  chooseTheme(name);
});

/* ---- parts of the page, fetched anew ---- */

async function fetchPage(url) {
  const answer = await fetch(url, { cache: 'no-store' });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

/* Focus stays where it was: on the link with the same address, or on the table. */
function replacePart(part, fresh) {
  if (part.innerHTML === fresh.innerHTML) return;
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const href = focused && focused.getAttribute('href');
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  if (!focused) return;
  const again = [...part.querySelectorAll('a')].find((a) => a.getAttribute('href') === href);
  (again || part.querySelector('.scroll') || document.getElementById('main')).focus();
}

/* Each address once, whatever the number of its parts. */
async function refresh(parts) {
  const urls = new Set(parts.map((part) => part.dataset.url));
  for (const url of urls) {
    const page = await fetchPage(url);
    for (const part of parts) {
      const fresh = page.getElementById(part.id);
      if (fresh && part.dataset.url === url) replacePart(part, fresh);
    }
  }
}

for (const form of document.querySelectorAll('form[data-for]')) {
  const part = document.getElementById(form.dataset.for);
  let timer;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      part.dataset.url = `${form.getAttribute('action')}?${new URLSearchParams(new FormData(form))}`;
      refresh([part]).catch(() => form.submit());
    }, 200);
  });
}

/* ---- live: events say that something has changed; without them it is asked every few seconds ---- */

const EVERY_MS = 1000, POLL_MS = 5000, SILENCE_MS = 60000;
const live = document.getElementById('live');
let source, isBusy = false, isWanted = false, lastData = '', isPolling = false;

function say(text) {
  if (live.textContent !== text) live.textContent = text;
}

/* One at a time, and with a pause between, however many events come. */
async function update() {
  isWanted = true;
  if (isBusy) return;
  isBusy = true;
  while (isWanted) {
    isWanted = false;
    try {
      if (!document.hidden) await refresh([...document.querySelectorAll('main [data-url]')]);
      say(isPolling ? 'Asked every 5 s' : 'Live');
    } catch {
      say('No answer; trying again');
    }
    await new Promise((done) => { setTimeout(done, EVERY_MS); });
  }
  isBusy = false;
}

function listen() {
  source = new EventSource('/debug/events');
  source.addEventListener('change', (event) => {
    isPolling = false;
    if (event.data !== lastData) update();
    lastData = event.data;
  });
  source.addEventListener('error', () => {
    isPolling = true;
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, SILENCE_MS);
  });
}

setInterval(() => { if (isPolling) update(); }, POLL_MS);
document.addEventListener('visibilitychange', () => { if (!document.hidden) update(); });
listen();

/* ---- the graph: drawn of the JSON, beside the table that says the same ---- */

const SVG = 'http://www.w3.org/2000/svg';
const COLUMNS = [10, 270, 560, 850], BOX = { width: 240, height: 40, gap: 12 };

function svg(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function shorten(text, most = 32) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function drawBox(picture, column, y, lines, isBad) {
  const group = svg('g', { transform: `translate(${COLUMNS[column]},${y})` });
  group.append(svg('title', {}, lines.join(' ')));
  group.append(svg('rect', { class: isBad ? 'box bad' : 'box', rx: 5, width: BOX.width, height: BOX.height }));
  lines.forEach((line, at) => group.append(svg('text', { x: 8, y: 17 + at * 16 }, shorten(line))));
  picture.append(group);
}

function drawEdge(picture, column, from, to, label) {
  const x1 = COLUMNS[column] + BOX.width, x2 = COLUMNS[column + 1], middle = BOX.height / 2;
  const y1 = from + middle, y2 = to + middle, bend = (x1 + x2) / 2;
  picture.append(svg('path', { class: 'edge', d: `M${x1},${y1} C${bend},${y1} ${bend},${y2} ${x2},${y2}` }));
  if (label) picture.append(svg('text', { x: x2 - 4, y: y2 - 3, 'text-anchor': 'end' }, label));
}

function endpointsOf(to) {
  if (to.problem) return [to.problem];
  const bad = to.draining + to.unhealthy;
  return [to.endpoints === 1 ? '1 endpoint' : `${to.endpoints} endpoints`, bad ? `${to.healthy} of them healthy` : 'all healthy'];
}

/* Returns where the next rule begins. */
function drawRule(picture, rule, at, hostY, y) {
  const step = BOX.height + BOX.gap;
  drawBox(picture, 1, y, [rule.name || `rule ${at + 1}`, rule.match.join(' or ') || 'everything']);
  drawEdge(picture, 0, hostY, y);
  rule.to.forEach((to, number) => {
    const toY = y + number * step, isBad = Boolean(to.problem) || to.healthy === 0;
    drawBox(picture, 2, toY, [to.host, to.subset ? `subset ${to.subset}` : 'any subset'], isBad);
    drawEdge(picture, 1, y, toY, `${to.weight}%`);
    drawBox(picture, 3, toY, endpointsOf(to), isBad);
    drawEdge(picture, 2, toY, toY);
  });
  return y + Math.max(1, rule.to.length) * step;
}

function drawRoute(route) {
  const picture = svg('svg', { role: 'img', 'aria-label': `${route.key}: what the table below says` });
  let y = 5;
  drawBox(picture, 0, y, [route.hosts.join(', '), route.key.split('/').slice(-2).join('/')]);
  route.rules.forEach((rule, at) => { y = drawRule(picture, rule, at, 5, y); });
  const width = COLUMNS[3] + BOX.width + 10, height = Math.max(y, BOX.height + 10);
  for (const [key, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) picture.setAttribute(key, value);
  return picture;
}

/* Above the table of routes, whenever that has changed. */
async function drawGraph() {
  const part = document.getElementById('routes');
  if (!part) return;
  const query = part.dataset.url.split('?')[1] || '';
  const answer = await fetch(`/debug/routes?${query}`, { cache: 'no-store' });
  if (!answer.ok) return;
  const { routes } = await answer.json();
  const figure = document.getElementById('graph') || document.createElement('figure');
  figure.id = 'graph';
  figure.tabIndex = 0;
  figure.setAttribute('aria-label', 'Where hosts lead');
  figure.hidden = routes.length === 0;
  figure.replaceChildren(...routes.map(drawRoute));
  part.before(figure);
}

const routes = document.getElementById('routes');
if (routes) {
  const redraw = () => drawGraph().catch(() => say('No answer; trying again'));
  redraw();
  new MutationObserver(redraw).observe(routes, { childList: true });
}
