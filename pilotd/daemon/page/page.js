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
