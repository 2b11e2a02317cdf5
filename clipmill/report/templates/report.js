"use strict";
(() => {
  const root = document.currentScript.closest(".cm");
  const find = (id) => root.querySelector("#cm-" + id);
  const data = JSON.parse(find("data").textContent);
  const gallery = find("gallery");
  const cards = [...gallery.children];
  const order = { measure: "", descending: false };
  let range = null;

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
        (status && itsStatus !== status) || (reason && itsReason !== reason) || !name.includes(text) ||
        (range && !isWithin(Number(card.dataset.row))));
      shown += card.hidden ? 0 : 1;
    }
    find("shown").textContent = `${shown} of ${cards.length} clips`;
    find("none").hidden = shown > 0 || cards.length === 0;
  }

  // A bar holds its lower end; the last bar of a plot holds its upper end too.
  function isWithin(row) {
    const value = data.clips[row].scores[range.measure];
    return value !== null && value >= range.low && (value < range.high || (range.isLast && value <= range.high));
  }

  function showRange(bin) {
    const bins = [...bin.parentElement.querySelectorAll(".cm-bin")];
    range = {
      measure: Number(bin.closest("[data-plot]").dataset.plot),
      low: Number(bin.dataset.low), high: Number(bin.dataset.high), isLast: bin === bins.at(-1),
    };
    const words = bin.querySelector("title").textContent.split(":")[0];
    find("range").textContent = `${data.measures[range.measure]} ${words} ✕`;
    find("range").hidden = false;
    filterCards();
    find("clips").scrollIntoView();
  }

  function dropRange() {
    range = null;
    find("range").hidden = true;
    filterCards();
  }

  function reset() {
    range = null;
    find("range").hidden = true;
    root.querySelector('input[name="cm-status"][value=""]').checked = true;
    find("reason").value = "";
    find("search").value = "";
    filterCards();
  }

  const sliders = [...root.querySelectorAll(".cm-slider input")];
  const number = (value) => String(Number(value.toPrecision(4)));
  const chosen = (slider) => {
    const counts = data.whatIf[slider.dataset.measure];
    const isOff = Number(slider.value) === (slider.dataset.side === "min" ? 0 : counts.values.length - 1);
    return isOff ? null : counts.values[Number(slider.value)];
  };
  const ofMeasure = (index, side) => sliders.find(
    (slider) => slider.dataset.measure === index && slider.dataset.side === side);

  function duration(seconds) {
    const whole = Math.round(seconds);
    if (whole < 60) return `${Number(seconds.toFixed(1))} s`;
    return whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s`
      : `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
  }

  function tellLost(index) {
    const counts = data.whatIf[index];
    const [low, high] = ["min", "max"].map((side) => ofMeasure(index, side));
    const lost = counts.below[low.value] + counts.above[high.value];
    const lostSeconds = counts.below_s[low.value] + counts.above_s[high.value];
    const unit = data.units[index] ? " " + data.units[index] : "";
    for (const slider of [low, high]) {
      const value = chosen(slider);
      slider.nextElementSibling.textContent = value === null ? "off" : number(value) + unit;
    }
    const isOff = chosen(low) === null && chosen(high) === null;
    root.querySelector(`[data-lost="${index}"]`).textContent = isOff ? ""
      : `takes ${lost.toLocaleString("en")} of ${counts.num_clips.toLocaleString("en")} kept clips, ${duration(lostSeconds)}`;
  }

  // One tab stop for each plot; arrows go from bar to bar.
  function stepBar(bin, by) {
    const bins = [...bin.parentElement.querySelectorAll(".cm-bin")];
    const next = bins[bins.indexOf(bin) + by];
    if (!next) return;
    bin.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  }

  // Lines of YAML for dotted places, group by group; what a spec adds by class is named in a comment.
  function specOf() {
    const groups = new Map();
    const put = (place, value) => {
      const [group, ...names] = place.split(".");
      if (!groups.has(group)) groups.set(group, new Map());
      const fields = groups.get(group);
      if (!fields.has(names[0])) fields.set(names[0], new Map());
      fields.get(names[0]).set(names.slice(1).join("."), value);
    };
    const without = [];
    for (const slider of sliders) {
      const value = chosen(slider);
      if (value === null) continue;
      const place = data.whatIf[slider.dataset.measure].place;
      if (!place[slider.dataset.side]) {
        without.push(`${data.measures[slider.dataset.measure].toLowerCase()} (${slider.dataset.side})`);
        continue;
      }
      put(place[slider.dataset.side], String(value));
      if (place.score_only) put(place.score_only, "false");
    }
    const lines = [];
    for (const [group, fields] of groups) {
      const parts = [...fields].map(([name, values]) => values.has("")
        ? `${name}: ${values.get("")}`
        : `${name}: {${[...values].map(([side, value]) => `${side}: ${value}`).join(", ")}}`);
      if (group === "stages") lines.push(...parts.map((part) => `# of the stage ${part}`));
      else lines.push(`${group}:`, ...parts.map((part) => `  ${part}`));
    }
    return { text: lines.join("\n"), without };
  }

  function showSpec() {
    const { text, without } = specOf();
    find("spec").hidden = !text && !without.length;
    find("spec-text").hidden = find("spec-copy").hidden = !text;
    find("spec-text").textContent = text;
    find("spec-copy").textContent = "Copy as spec";
    find("spec-note").textContent = without.length ? `No parameter that only rejects sets: ${without.join(", ")}.` : "";
  }

  function moved(slider) {
    tellLost(slider.dataset.measure);
    showSpec();
  }

  function resetSliders() {
    for (const slider of sliders) slider.value = slider.dataset.side === "min" ? slider.min : slider.max;
    for (const index of Object.keys(data.whatIf)) if (ofMeasure(index, "min")) tellLost(index);
    showSpec();
  }

  async function copySpec() {
    try {
      await navigator.clipboard.writeText(find("spec-text").textContent);
      find("spec-copy").textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(find("spec-text"));
    }
  }

  const dialog = find("dialog");
  let opened = 0;

  function listed(group, pairs) {
    const isFolded = data.folded.includes(group);
    const block = document.createElement(isFolded ? "details" : "div");
    const heading = document.createElement(isFolded ? "summary" : "h3");
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
    data.fields.slice(0, -1).forEach(([group, label, showsMissing], index) => {
      if (!groups.has(group)) groups.set(group, []);
      if (values[index] !== "–" || showsMissing) groups.get(group).push([label, values[index]]);
    });
    const blocks = (wanted) => [...groups]
      .filter(([group, pairs]) => wanted(group) && pairs.length)
      .map(([group, pairs]) => listed(group, pairs));
    find("dialog-verdict").replaceChildren(...blocks((group) => data.beside.includes(group)));
    find("dialog-details").replaceChildren(...blocks((group) => !data.beside.includes(group)));
  }

  // Nothing is read before the reader asks for it; a file that is not beside the page leaves the preview.
  function showVideo(link, row) {
    const play = document.createElement("button");
    play.type = "button";
    play.className = "cm-button";
    play.textContent = "Play the clip";
    play.addEventListener("click", () => {
      const video = document.createElement("video");
      Object.assign(video, { src: link, controls: true, autoplay: true, loop: true });
      video.addEventListener("error", () => { play.textContent = "The clip file cannot be played here"; });
      video.addEventListener("loadeddata", () => find("dialog-frame").replaceChildren(video));
      video.load();
    });
    find("dialog-link").append(play, " ");
  }

  const noPreview = () => {
    const empty = document.createElement("span");
    empty.className = "cm-nopreview";
    empty.textContent = "no preview";
    return empty;
  };
  const nameOf = (row) => cards[row].querySelector(".cm-name").textContent;
  const whenOf = (row) => cards[row].querySelector(".cm-when").firstChild.textContent.trim();

  function tableRow(kind, cells) {
    const line = document.createElement("tr");
    cells.forEach((cell, place) => {
      const element = document.createElement(place ? kind : "th");
      element.append(cell);
      line.append(element);
    });
    return line;
  }

  // The preview and name of a clip, which open it.
  function pictured(row) {
    const button = document.createElement("button");
    const frame = document.createElement("span");
    Object.assign(button, { type: "button", className: "cm-open" });
    button.dataset.open = row;
    frame.className = "cm-frame";
    frame.append(noPreview());
    button.append(frame, nameOf(row));
    borrow(frame, row, `Preview of ${nameOf(row)}, ${whenOf(row)}`);
    return button;
  }

  // A duplicate beside the clip that was kept, number by number.
  function fillPair(pair, row) {
    const place = find("dialog-pair");
    place.hidden = !pair;
    place.replaceChildren();
    if (!pair) return;
    const heading = document.createElement("h3");
    const table = document.createElement("table");
    heading.textContent = `The other one was kept: ${pair.because}`;
    table.append(
      tableRow("th", ["", "Kept", "This one"]), tableRow("td", ["", pictured(pair.keeper), pictured(row)]),
      ...pair.rows.map((cells) => tableRow("td", cells)));
    place.append(heading, table);
  }

  function show(row) {
    opened = row;
    const clip = data.clips[row];
    const [name, when] = [nameOf(row), whenOf(row)];
    find("dialog-name").textContent = `${name}, ${when}`;
    find("dialog-frame").replaceChildren(noPreview());
    borrow(find("dialog-frame"), row, `Preview of ${name}, ${when}`);
    const said = clip.details.at(-1);
    find("dialog-caption").textContent = said;
    find("dialog-caption").hidden = said === "–";
    find("dialog-link").replaceChildren();
    if (clip.link) {
      showVideo(clip.link, row);
      const link = document.createElement("a");
      link.href = clip.link;
      link.textContent = "Open the clip file";
      link.rel = "noreferrer";
      find("dialog-link").append(link);
    }
    fillPair(clip.pair, row);
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
    const bin = event.target.closest("[data-plot] .cm-bin");
    if (bin) showRange(bin);
    if (open) show(Number(open.dataset.open));
    if (event.target === dialog) dialog.close();
  });
  root.querySelectorAll("[data-plot] svg").forEach((plot) => {
    plot.setAttribute("role", "group");
    plot.querySelectorAll(".cm-bin").forEach((bin, index) => {
      bin.setAttribute("role", "button");
      bin.setAttribute("tabindex", index ? "-1" : "0");
    });
    plot.addEventListener("keydown", (event) => {
      const bin = event.target.closest(".cm-bin");
      if (!bin || !["ArrowLeft", "ArrowRight", "Enter", " "].includes(event.key)) return;
      event.preventDefault();
      if (event.key.startsWith("Arrow")) stepBar(bin, event.key === "ArrowLeft" ? -1 : 1);
      else showRange(bin);
    });
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
  find("range").addEventListener("click", dropRange);
  sliders.forEach((slider) => slider.addEventListener("input", () => moved(slider)));
  find("spec-copy").addEventListener("click", copySpec);
  find("spec-reset").addEventListener("click", resetSliders);
  find("play").addEventListener("click", () => setPlaying(root.classList.contains("cm-paused")));

  root.querySelectorAll("[data-borrow]").forEach((frame) =>
    borrow(frame, Number(frame.dataset.borrow), frame.dataset.alt));
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  setPlaying(!calm.matches);
  calm.addEventListener("change", () => setPlaying(!calm.matches));
  root.classList.add("cm-ready");
})();
