// Elements from text. What comes from runs goes into the page as text only, never as markup.

export const $ = (id) => document.getElementById(id);

export function make(tag, facts = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(facts)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export async function ask(path, facts = {}) {
  const response = await fetch(`/api/${path}?${new URLSearchParams(facts)}`);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.json();
}

export const percent = (share) => (100 * share).toFixed(1);
export const count = (number) => number.toLocaleString("en");
