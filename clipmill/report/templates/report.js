"use strict";
(() => {
  const root = document.currentScript.closest(".cm");
  const find = (id) => root.querySelector("#cm-" + id);
  const data = JSON.parse(find("data").textContent);
  const gallery = find("gallery");
  const cards = [...gallery.children];
  const order = { measure: "", descending: false };

  // A preview is in the page once, on its card; every other place shows that one again.
  const cardImage = (row) => cards[row].querySelector("img");

  function borrow(frame, row, alt) {
    const source = cardImage(row);
    if (!source) return;
    const image = new Image();
    image.alt = alt;
    image.decoding = "async";
    image.src = source.src;
    frame.replaceChildren(image);
    still(image);
  }

  // Still pictures for users who do not want motion: the browser cannot pause an animated image itself.
  function still(image) {
    const draw = () => {
      const canvas = document.createElement("canvas");
      const scale = Math.min(1, 320 / Math.max(image.naturalWidth, 1));
      canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
      canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
      canvas.setAttribute("aria-hidden", "true");
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      if (image.parentElement) image.parentElement.append(canvas);
    };
    if (!root.classList.contains("cm-paused") || image.parentElement.querySelector("canvas")) return;
    image.decode().then(draw, () => {});
  }

  function setPlaying(playing) {
    root.classList.toggle("cm-paused", !playing);
    find("play").textContent = playing ? "Pause previews" : "Play previews";
    if (!playing) root.querySelectorAll(".cm-frame img").forEach(still);
  }

  function compare(left, right) {
    const rows = [Number(left.dataset.row), Number(right.dataset.row)];
    if (order.measure === "") return (rows[0] - rows[1]) * (order.descending ? -1 : 1);
    const [a, b] = rows.map((row) => data.clips[row].scores[Number(order.measure)]);
    if (a === null || b === null) return (a === null) - (b === null) || rows[0] - rows[1];
    return (order.descending ? b - a : a - b) || rows[0] - rows[1];
  }

  function nameSorted(card) {
    const scores = card.querySelector(".cm-scores");
    const sorted = card.querySelector(".cm-sorted");
    scores.classList.toggle("cm-on", order.measure !== "");
    sorted.hidden = order.measure === "";
    if (order.measure === "") return;
    const index = Number(order.measure);
    const value = document.createElement("b");
    const shown = data.clips[Number(card.dataset.row)].shown[index];
    value.textContent = data.units[index] && shown !== "–" ? shown + " " + data.units[index] : shown;
    sorted.replaceChildren(data.measures[index].toLowerCase() + " ", value);
  }

  function sortCards() {
    find("order").textContent = order.descending ? "↓ descending" : "↑ ascending";
    find("order").setAttribute("aria-pressed", String(order.descending));
    cards.forEach(nameSorted);
    gallery.append(...[...cards].sort(compare));
  }

  function filterCards() {
    const status = root.querySelector('input[name="cm-status"]:checked').value;
    const reason = find("reason").value;
    const text = find("search").value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      const { status: itsStatus, reason: itsReason, name } = card.dataset;
      card.hidden = Boolean(
        (status && itsStatus !== status) || (reason && itsReason !== reason) || !name.includes(text));
      shown += card.hidden ? 0 : 1;
    }
    find("shown").textContent = `${shown} of ${cards.length} clips`;
    find("none").hidden = shown > 0 || cards.length === 0;
  }

  function reset() {
    root.querySelector('input[name="cm-status"][value=""]').checked = true;
    find("reason").value = "";
    find("search").value = "";
    filterCards();
  }

  const dialog = find("dialog");
  let opened = 0;

  function listed(group, pairs) {
    const block = document.createElement("div");
    const heading = document.createElement("h3");
    const list = document.createElement("dl");
    heading.textContent = group;
    for (const [label, value] of pairs) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = label;
      text.textContent = value;
      list.append(term, text);
    }
    block.append(heading, list);
    return block;
  }

  function fillDetails(values) {
    const groups = new Map();
    data.fields.forEach(([group, label, showsMissing], index) => {
      if (!groups.has(group)) groups.set(group, []);
      if (values[index] !== "–" || showsMissing) groups.get(group).push([label, values[index]]);
    });
    const blocks = (wanted) => [...groups]
      .filter(([group, pairs]) => wanted(group) && pairs.length)
      .map(([group, pairs]) => listed(group, pairs));
    find("dialog-verdict").replaceChildren(...blocks((group) => data.beside.includes(group)));
    find("dialog-details").replaceChildren(...blocks((group) => !data.beside.includes(group)));
  }

  function show(row) {
    opened = row;
    const clip = data.clips[row];
    const name = cards[row].querySelector(".cm-name").textContent;
    const when = cards[row].querySelector(".cm-when").firstChild.textContent.trim();
    find("dialog-name").textContent = `${name}, ${when}`;
    const empty = document.createElement("span");
    empty.className = "cm-nopreview";
    empty.textContent = "no preview";
    find("dialog-frame").replaceChildren(empty);
    borrow(find("dialog-frame"), row, `Preview of ${name}, ${when}`);
    find("dialog-link").replaceChildren();
    if (clip.link) {
      const link = document.createElement("a");
      link.href = clip.link;
      link.textContent = "Open the clip file";
      link.rel = "noreferrer";
      find("dialog-link").append(link);
    }
    fillDetails(clip.details);
    dialog.scrollTop = 0;
    if (!dialog.open) dialog.showModal();
  }

  function step(by) {
    const rows = [...gallery.children].filter((card) => !card.hidden).map((card) => Number(card.dataset.row));
    if (!rows.length) return;
    const place = rows.indexOf(opened);
    show(rows[place < 0 ? 0 : (place + by + rows.length) % rows.length]);
  }

  root.addEventListener("click", (event) => {
    const open = event.target.closest("[data-open]");
    if (open) show(Number(open.dataset.open));
    if (event.target === dialog) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  find("prev").addEventListener("click", () => step(-1));
  find("next").addEventListener("click", () => step(1));
  find("close").addEventListener("click", () => dialog.close());
  root.querySelectorAll('input[name="cm-status"]').forEach((input) => input.addEventListener("change", filterCards));
  find("reason").addEventListener("change", filterCards);
  find("search").addEventListener("input", filterCards);
  find("reset").addEventListener("click", reset);
  find("sort").addEventListener("change", () => { order.measure = find("sort").value; sortCards(); });
  find("order").addEventListener("click", () => { order.descending = !order.descending; sortCards(); });
  find("play").addEventListener("click", () => setPlaying(root.classList.contains("cm-paused")));

  root.querySelectorAll("[data-borrow]").forEach((frame) =>
    borrow(frame, Number(frame.dataset.borrow), frame.dataset.alt));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  setPlaying(!calm.matches);
  calm.addEventListener("change", () => setPlaying(!calm.matches));
  root.classList.add("cm-ready");
})();
