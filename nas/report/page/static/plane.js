// The plane of a search: hover shows a candidate, a click pins it beside the winner; one slider walks through the
// history, one picks the best network within a budget.
const plane = {
  data: dataOf("candidates"),
  pinned: null,
  hovered: null,

  start() {
    if (!plane.data) return;
    const root = document.getElementById("plane"), {data} = plane;
    plane.root = root;
    plane.usable = data.state.flatMap((state, i) => state === 0 ? [i] : []);
    const costs = plane.usable.map(i => data.cost[i]);
    plane.smooth = data.posterior.some(each => each !== null);
    plane.counted = !plane.smooth;
    plane.range = [Math.min(...costs), Math.max(...costs, data.bound || 0)];
    theme.draw(plane.draw);
    plane.controls();
    plane.list();
    plane.show();
    choices.start();
  },

  // The accuracy that is drawn: by all evaluations, as the search chose, or as counted.
  value(i) {
    const {data} = plane;
    return plane.counted || data.posterior[i] === null ? data.accuracy[i] : data.posterior[i];
  },

  // The front that is drawn. The library's own is by counts.
  fronted() {
    if (plane.counted) return plane.data.front;
    return plane.chosen_by ||= plane.front(plane.usable);
  },

  // Values of one candidate in words.
  words(i) {
    const {data} = plane;
    const words = [[data.rated, `${(100 * data.accuracy[i]).toFixed(1)} %`]];
    if (data.posterior[i] !== null) words.push(["by all evaluations", `${(100 * data.posterior[i]).toFixed(1)} %`]);
    words.push([data.unit ? "latency" : data.names[1], plane.cost(data.cost[i])]);
    if (data.macs.length) words.push(["MACs", `${(data.macs[i] / 1e6).toFixed(2)} M`], ["parameters", `${(data.params[i] / 1e3).toFixed(1)} k`]);
    const kind = ["", "breaks a bound", "stopped early"][data.state[i]] || (plane.fronted().includes(i) ? "on the front" : "");
    if (kind) words.push(["", kind]);
    if (data.extrapolated[i]) words.push(["", "extrapolated"]);
    return words;
  },

  cost(value) {
    const digits = value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0;
    return plane.data.unit ? `${value.toFixed(digits)} ${plane.data.unit}` : value.toPrecision(4);
  },

  // The rule of the library (nas.search.results): among all within the noise of the best, the fastest.
  best(budget) {
    const {data} = plane;
    const value = i => data.posterior[i] === null ? data.accuracy[i] : data.posterior[i] - data.sure * data.deviation[i];
    let within = plane.usable.filter(i => data.cost[i] <= budget);
    if (!within.length) return null;
    const known = within.filter(i => !data.extrapolated[i]);
    if (known.length) within = known;
    const top = within.reduce((a, b) => value(b) > value(a) ? b : a);
    const noise = data.posterior[top] === null ? data.noise : data.deviation[top];
    const equals = within.filter(i => value(i) >= value(top) - noise - 1e-9);
    return equals.reduce((a, b) => data.cost[b] < data.cost[a] || (data.cost[b] === data.cost[a] && value(b) > value(a)) ? b : a);
  },

  // The front of some candidates: each is more accurate than all that cost less.
  front(indices) {
    const {data} = plane, found = [];
    for (const i of [...indices].sort((a, b) => data.cost[a] - data.cost[b] || plane.value(b) - plane.value(a))) {
      if (!found.length || plane.value(i) > plane.value(found[found.length - 1])) found.push(i);
    }
    return found;
  },

  draw() {
    const {data} = plane, host = plane.root.querySelector(".plot"), legend = plane.root.querySelector(".legend");
    const hidden = new Set([...legend.querySelectorAll("[aria-pressed=false]")].map(each => each.textContent));
    const trainedAt = data.trained.flatMap(layer => layer.x);
    const chart = plane.smooth && !plane.counted ? {...data.chart, y: `${data.rated} by all evaluations (%)`} : data.chart;
    const plot = charts.figure(chart, ["tap"], [...data.cost, ...data.random.x, ...trainedAt], []);
    const colours = {evaluated: "k0", outside: "kp", stopped: "kp"};
    legend.replaceChildren();
    const add = (layer, renderers) => legend.append(charts.entry(layer, renderers, hidden.has(layer.name)));
    const random = {type: "points", name: "random search", x: data.random.x, y: data.random.y.map(y => 100 * y), colour: "kp", marker: "x", size: 6};
    if (random.x.length) add(random, [charts.points(plot, random)[0]]);
    plane.layers = ["evaluated", "outside", "stopped"].map((name, state) => {
      const indices = data.state.flatMap((each, i) => each === state ? [i] : []);
      const source = new Bokeh.ColumnDataSource({data: {x: indices.map(i => data.cost[i]), y: indices.map(i => 100 * plane.value(i)),
        index: indices, alpha: indices.map(() => .5), fill: indices.map(() => state ? 0 : .5), size: indices.map(() => data.code.length > 1500 ? 5 : 8)}});
      const renderer = plot.scatter({x: {field: "x"}, y: {field: "y"}, source, size: {field: "size"}, marker: state === 2 ? "inverted_triangle" : "circle",
        fill_color: theme.colour(colours[name]), line_color: theme.colour(colours[name]), fill_alpha: {field: "fill"}, line_alpha: {field: "alpha"}});
      renderer.nonselection_glyph = renderer.selection_glyph = renderer.glyph;
      const titles = [data.predicted ? "predicted" : "evaluated", "breaks a bound", "stopped early"];
      if (indices.length) add({type: "points", name: titles[state], colour: colours[name], marker: state === 2 ? "inverted_triangle" : "circle", hollow: state > 0}, [renderer]);
      source.selected.change.connect(() => { const [at] = source.selected.indices; if (at !== undefined) plane.pin(source.data.index[at]); });
      return source;
    });
    plane.line = new Bokeh.ColumnDataSource({data: {x: [], y: []}});
    const step = plot.step({x: {field: "x"}, y: {field: "y"}, source: plane.line, mode: "after", line_color: theme.colour("k0"), line_width: 2});
    add({type: "line", name: "front", colour: "k0"}, [step]);
    const trained = data.trained.map(layer => charts.points(plot, layer));
    data.trained.forEach((layer, i) => add(layer, [trained[i][0]]));
    plane.marks = {};
    for (const [name, colour, marker, size] of [["winner", "mark", "star", 22], ["best", "good", "circle", 17], ["pin", "ink", "circle", 15]]) {
      plane.marks[name] = new Bokeh.ColumnDataSource({data: {x: [], y: []}});
      const ring = name !== "winner";
      plot.scatter({x: {field: "x"}, y: {field: "y"}, source: plane.marks[name], marker, size, fill_color: ring ? null : theme.colour(colour),
        line_color: theme.colour(ring ? colour : "paper"), line_width: ring ? 2.4 : 1});
    }
    add({type: "points", name: "search's choice", colour: "mark", marker: "star"}, []);
    legend.lastChild.disabled = true;
    if (data.bound !== null) charts.rule(plot, data.bound, `limit of the search ${plane.cost(data.bound)}`);
    plane.limit = charts.rule(plot, plane.range[1], "", "good");
    charts.tips(plot, plane.layers, (source, at) => plane.hover(source.data.index[at]));
    plane.layers.forEach(charts.tips(plot, plane.layers, (source, at) => plane.hover(source.data.index[at])));
    trained.map(([, source]) => source).forEach(charts.tips(plot, trained.map(([, source]) => source)));
    host.onmouseleave = () => { tip.hide(); plane.hover(null); };
    plane.plot = plot;
    charts.show(plot, host, data.chart.title);
    plane.place("winner", data.winner);
    plane.walk();
    plane.pick();
    plane.place("pin", plane.pinned);
  },

  place(name, i) {
    const {data} = plane;
    plane.marks[name].data = i === null ? {x: [], y: []} : {x: [data.cost[i]], y: [100 * plane.value(i)]};
  },

  controls() {
    const history = document.getElementById("history"), budget = document.getElementById("budget"), play = document.getElementById("play");
    history.addEventListener("input", plane.walk);
    budget.addEventListener("input", plane.pick);
    const counted = document.getElementById("counted");
    counted?.addEventListener("change", () => {
      plane.counted = counted.checked;
      plane.draw();
      plane.list();
      plane.show();
    });
    if (plane.data.bound !== null) budget.value = plane.position(plane.data.bound);
    plane.pick();
    play.addEventListener("click", () => {
      if (plane.timer) return plane.stop();
      if (+history.value >= +history.max) history.value = 1;
      play.textContent = "stop";
      const step = Math.max(1, Math.round(history.max / 120));
      plane.timer = setInterval(() => {
        history.value = +history.value + step;
        plane.walk();
        if (+history.value >= +history.max) plane.stop();
      }, 60);
    });
  },

  stop() {
    clearInterval(plane.timer);
    plane.timer = null;
    document.getElementById("play").textContent = "play";
  },

  // Shows the search up to the evaluation of the slider; the latest are filled.
  walk() {
    const {data} = plane, slider = document.getElementById("history"), until = +slider.value;
    const latest = Math.max(10, Math.round(data.evaluations / 20)), whole = until >= data.evaluations;
    document.getElementById("history-at").textContent = `${until} of ${data.evaluations} evaluations`;
    plane.layers.forEach((source, state) => {
      const orders = source.data.index.map(i => data.order[i]);
      const alpha = orders.map(order => order < until ? .6 : .06);
      const fill = orders.map(order => order >= until || state ? 0 : whole ? .45 : order >= until - latest ? .95 : .08);
      source.data = {...source.data, alpha, fill};
    });
    const front = plane.front(plane.usable.filter(i => data.order[i] < until));
    const x = front.map(i => data.cost[i]), y = front.map(i => 100 * plane.value(i));
    if (front.length) { x.push(plane.range[1]); y.push(y[y.length - 1]); }
    plane.line.data = {x, y};
  },

  budget(position) { const [low, high] = plane.range; return low + (high - low) * position / 1000; },
  position(budget) { const [low, high] = plane.range; return high > low ? Math.round(1000 * (budget - low) / (high - low)) : 1000; },

  // The best network within the budget of the slider.
  pick() {
    const value = plane.budget(+document.getElementById("budget").value), i = plane.best(value * (1 + 1e-9));
    document.getElementById("budget-at").textContent = plane.cost(value);
    plane.limit.forEach(each => { each[each.location === undefined ? "x" : "location"] = value; });
    const words = document.getElementById("best");
    plane.chosen = i;
    if (i === null) { words.textContent = "No network was found within it."; plane.place("best", null); return; }
    const found = Object.fromEntries(plane.words(i));
    const text = `#${plane.data.number[i]}: ${found["by all evaluations"] || found[plane.data.rated]} at ${plane.cost(plane.data.cost[i])} `;
    words.replaceChildren(text, element("button", {type: "button", class: "plain", onclick: () => plane.pin(i)}, "compare with the search's choice"));
    plane.place("best", i);
  },

  pin(i) {
    plane.pinned = i === plane.data.winner || i === plane.pinned ? null : i;
    plane.place("pin", plane.pinned);
    plane.show();
    choices.draw && choices.redraw();
  },

  hover(i) {
    if (i === plane.hovered) return i === null ? "" : plane.tip(i);
    plane.hovered = i;
    plane.show();
    return i === null ? "" : plane.tip(i);
  },

  tip(i) {
    return [`#${plane.data.number[i]}`, ...plane.words(i).map(([name, value]) => `${name} ${value}`.trim())].join("\n");
  },

  groups(i) { return plane.data.groups.length ? plane.data.groups[i] : i === plane.data.winner ? plane.data.winner_groups : null; },

  // The panel: the network under the pointer, or the winner and the pinned network under each other.
  show() {
    const {data} = plane, panel = document.getElementById("candidate"), {winner} = data;
    const shown = plane.hovered !== null ? [plane.hovered] : plane.pinned !== null ? [winner, plane.pinned] : [winner];
    panel.replaceChildren();
    for (const i of shown) panel.append(plane.side(i));
    const drawn = shown.map(plane.groups);
    if (drawn.every(Boolean)) {
      const host = element("div", {class: "drawing"});
      networks.draw(host, drawn.map((groups, side) => ({name: `#${data.number[shown[side]]}`, groups})));
      panel.append(host);
    }
  },

  side(i) {
    const {data} = plane;
    const name = i === null ? "The search's choice is not among the candidates shown" : `${i === data.winner ? "The search's choice, " : ""}#${data.number[i]}`;
    const side = element("div", {class: "side"}, element("h3", {}, name));
    if (i === null) return side;
    const list = element("ul", {class: "facts"});
    for (const [term, value] of plane.words(i)) list.append(element("li", {}, element("span", {}, term), ` ${value}`));
    const code = element("p", {class: "note"}, element("code", {}, data.code[i]), " ",
      element("button", {type: "button", class: "plain", "data-copy": data.code[i]}, "copy code"));
    if (i === plane.pinned) code.append(" ", element("button", {type: "button", class: "plain", onclick: () => plane.pin(i)}, "unpin"));
    side.append(list, code);
    return side;
  },

  // The front as a table, for readers without a pointer.
  list() {
    const {data} = plane, head = ["", `${data.rated} (%)`, data.label, "MACs (M)", "params (k)"];
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...head.map(text => element("th", {scope: "col"}, text)))));
    const body = element("tbody", {});
    for (const i of [...plane.fronted()].sort((a, b) => data.cost[a] - data.cost[b])) {
      const cells = [(100 * plane.value(i)).toFixed(1), plane.cost(data.cost[i]),
        data.macs.length ? (data.macs[i] / 1e6).toFixed(2) : "–", data.params.length ? (data.params[i] / 1e3).toFixed(1) : "–"];
      const name = i === data.winner ? `#${data.number[i]} (the search's choice)` : `#${data.number[i]}`;
      const button = element("button", {type: "button", class: "plain", onclick: () => { plane.pin(i); document.getElementById("candidate").scrollIntoView({block: "nearest"}); }}, name);
      body.append(element("tr", {}, element("td", {}, button), ...cells.map(text => element("td", {}, text))));
    }
    table.append(body);
    document.getElementById("front").replaceChildren(element("div", {class: "wide", tabindex: "0"}, table));
  },
};
