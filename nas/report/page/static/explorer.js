// The explorer. The library wrote every block of every place with its costs: the page finds the blocks of the chosen
// network, adds their costs, and draws.
const explorer = {
  data: dataOf("explorer"),

  start() {
    if (!explorer.data) return;
    const select = document.getElementById("device"), space = document.getElementById("space");
    select.addEventListener("change", () => { explorer.device = +select.value; explorer.range(); explorer.show(); explorer.scale(); });
    document.getElementById("limit").addEventListener("input", explorer.judge);
    document.getElementById("phi").addEventListener("input", explorer.scale);
    if (space) {
      explorer.data.spaces.forEach((name, i) => space.append(element("option", {value: i}, name)));
      space.addEventListener("change", () => { explorer.enter(+space.value); explorer.show(); });
    }
    explorer.enter(0);
    theme.draw(explorer.show);
    explorer.apart();
  },

  // Takes the data of a space, of several in the page.
  enter(number) {
    const suffix = number ? `-${number}` : "", data = explorer.data = dataOf(`explorer${suffix}`);
    networks.data = dataOf(`drawings${suffix}`);
    explorer.resolution = data.geometry.dimensions.findIndex(each => each.name === "resolution");
    explorer.row = explorer.canonical([...data.starts[0].row]);
    explorer.device = 0;
    for (const [id, text] of [["title", data.title], ["size", data.size], ["description", data.description], ["left-out", data.left_out], ["base", data.base]]) {
      document.getElementById(id).textContent = text;
    }
    document.getElementById("device").replaceChildren(...data.devices.map((each, i) => element("option", {value: i}, each.name)));
    const button = (name, row) => element("button", {type: "button", class: "plain", onclick: () => explorer.set(row())}, name);
    document.getElementById("starts").replaceChildren(
      ...data.starts.map(each => button(each.name, () => [...each.row])), button("random", explorer.random));
    explorer.range();
    const slider = document.getElementById("phi");
    slider.max = data.scalings.length - 1;
    slider.value = data.scalings.findIndex(each => each.phi === 0);
    explorer.scale();
  },

  // -- looking up ---------------------------------------------------------------------------------------------

  stageValue(row, stage, name, positions) {
    const column = explorer.data.geometry.dimensions.findIndex(each => each.stage === stage && each.index < 0 && each.name === name);
    const at = column < 0 ? 0 : row[column], choices = explorer.data.geometry.stages[stage][positions];
    return choices[at];
  },

  // The row with -1 for every choice that no block reads, and the first choice for every other one that lacks a value.
  canonical(row) {
    const {geometry} = explorer.data;
    geometry.dimensions.forEach((each, column) => {
      if (each.name === "kind" || each.name === "depth" || each.stage < 0) { row[column] = Math.max(row[column], 0); return; }
      const kind = explorer.stageValue(row, each.stage, "kind", "kinds"), depth = explorer.stageValue(row, each.stage, "depth", "depths");
      const read = each.index < depth && geometry.stages[each.stage].reads[kind].includes(each.name);
      row[column] = read ? Math.max(row[column], 0) : -1;
    });
    return row;
  },

  random() {
    return explorer.canonical(explorer.data.geometry.dimensions.map((each, column) => {
      const allowed = column === explorer.resolution ? explorer.allowed() : each.choices.map((_, i) => i);
      return allowed[Math.floor(Math.random() * allowed.length)];
    }));
  },

  // Positions of the resolutions that the page holds.
  allowed() {
    const {geometry} = explorer.data;
    return geometry.resolutions.flatMap((each, i) => each in geometry.inputs ? [i] : []);
  },

  // The numbers of the blocks of a network, in groups.
  groups(row) {
    const {geometry} = explorer.data, groups = Array.from({length: geometry.groups}, () => []);
    const resolution = geometry.resolutions[explorer.resolution < 0 ? 0 : row[explorer.resolution]];
    let shape = geometry.inputs[resolution];
    for (const place of geometry.places) {
      if (place.stage >= 0 && place.index >= explorer.stageValue(row, place.stage, "depth", "depths")) continue;
      const block = place.table[`${shape}:${place.columns.map(column => row[column]).join()}`];
      groups[place.group].push(block);
      shape = geometry.outputs[block];
    }
    return groups;
  },

  // The costs of a network of these blocks.
  totals(groups) {
    const {costs, devices} = explorer.data, blocks = groups.flat();
    const sum = values => blocks.reduce((total, block) => total + values[block], 0);
    const weights = sum(costs.weights), activations = Math.max(...blocks.map(block => costs.activations[block]));
    return {
      macs: sum(costs.macs), params: sum(costs.params), memory: weights + activations, weights, activations,
      ms: devices.map(device => blocks.some(block => device.ms[block] === null) ? null : device.constant + sum(device.ms)),
      accuracy: null,
    };
  },

  // The code of an architecture: see nas.space.architecture.
  code(row) {
    const {dimensions, stages} = explorer.data.geometry, symbols = {depth: "d", width: "w", kernel: "k", expand: "e"};
    const text = value => typeof value === "string" ? `@${value}` : `${value}`;
    const parts = explorer.resolution < 0 ? [] : [`r${dimensions[explorer.resolution].choices[row[explorer.resolution]]}`];
    stages.forEach((_, stage) => {
      const values = new Map();
      dimensions.forEach((each, column) => {
        if (each.stage !== stage || row[column] < 0) return;
        const value = each.index < 0 ? text(each.choices[row[column]]) : [...(values.get(each.name) || []), text(each.choices[row[column]])];
        values.set(each.name, value);
      });
      const items = [...values.keys()].sort().map(name => {
        const value = values.get(name), list = Array.isArray(value);
        return `${symbols[name] || name}${list ? value.join("+") : value}${list && value.length === 1 ? "+" : ""}`;
      });
      parts.push(items.join(":") || "x");
    });
    return parts.join("-");
  },

  // The accuracy that the additive model of the run's search predicts.
  accuracy(row) {
    const {accuracy} = explorer.data;
    return accuracy && row.reduce((total, position, column) => total + (accuracy.amounts[column][position + 1] || 0), accuracy.mean);
  },

  evaluate(row) {
    const groups = explorer.groups(row);
    return {...explorer.totals(groups), groups, code: explorer.code(row), accuracy: explorer.accuracy(row)};
  },

  // -- showing ------------------------------------------------------------------------------------------------

  set(row) {
    explorer.row = explorer.canonical(row);
    explorer.show();
  },

  // The slider of the budget spans the smallest and the largest network.
  range() {
    const known = explorer.data.starts.filter(each => each.name !== "search's choice").map(each => explorer.evaluate(explorer.canonical([...each.row])));
    const values = known.map(each => each.ms[explorer.device]).filter(each => each !== null);
    explorer.span = values.length ? [Math.min(...values), Math.max(...values)] : null;
  },

  show() {
    const {data} = explorer, found = explorer.evaluate(explorer.row), device = data.devices[explorer.device];
    explorer.found = found;
    const ms = found.ms[explorer.device];
    const cards = [
      ["latency", ms === null ? "–" : explorer.time(ms, device), ms === null ? "the table lacks some of its blocks" : device.estimated ? "estimated by roofline, not measured" : `predicted by its table${device.error === null ? "" : `, which errs by ${(100 * device.error).toFixed(1)} %`}`],
      ["MACs", `${(found.macs / 1e6).toFixed(2)} M`, `${(2 * found.macs / 1e6).toFixed(2)} million FLOPs`],
      ["parameters", `${(found.params / 1e3).toFixed(1)} k`, "trainable"],
      ["memory", explorer.bytes(found.memory * device.share), `${explorer.bytes(found.weights * device.share)} weights, ${explorer.bytes(found.activations * device.share)} feature maps, in ${device.precision}`],
    ];
    if (found.accuracy) cards.push([data.accuracy.name, `${(100 * found.accuracy).toFixed(1)} %`, `additive model of the run's search, off by ${(100 * data.accuracy.error).toFixed(1)} points on average`]);
    document.getElementById("totals").replaceChildren(...cards.map(([name, figure, words]) =>
      element("div", {class: "card"}, element("h3", {}, name), element("p", {class: "figure"}, figure), element("p", {}, words))));
    document.getElementById("device-about").textContent = device.about;
    networks.draw(document.getElementById("drawing"), [{name: "", groups: found.groups}]);
    document.getElementById("code").textContent = found.code;
    document.getElementById("copy-code").dataset.copy = found.code;
    document.getElementById("copy-command").dataset.copy = `nas cost space=${data.space} network=${found.code}${device.estimated ? ` device=${device.command}` : ""}`;
    explorer.judge();
    explorer.controls();
    explorer.latencies(found);
    explorer.roofline(found, device);
  },

  // Three significant digits, in microseconds below 0.01 ms.
  time(ms, device) {
    if (ms > 0 && ms < .01) return `${(1000 * ms).toPrecision(3)} ${device.unit.replace("ms", "µs")}`;
    return `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3)} ${device.unit}`;
  },
  bytes(count) { return count >= 1e6 ? `${(count / 1e6).toFixed(2)} MB` : `${(count / 1e3).toFixed(1)} kB`; },

  judge() {
    const output = document.getElementById("limit-at"), verdict = document.getElementById("verdict");
    const device = explorer.data.devices[explorer.device], ms = explorer.found && explorer.found.ms[explorer.device];
    if (!explorer.span) { output.textContent = ""; verdict.textContent = "The table lacks blocks of the smallest and the largest network."; return; }
    const [low, high] = explorer.span, limit = low + (high - low) * +document.getElementById("limit").value / 1000;
    output.textContent = explorer.time(limit, device);
    if (ms === null || ms === undefined) verdict.textContent = "";
    else verdict.textContent = ms <= limit ? `Within the budget: ${Math.round(100 * ms / limit)} % of it.` : `Over the budget by ${Math.round(100 * (ms / limit - 1))} %.`;
    verdict.className = ms <= limit ? "within" : "over";
  },

  // One select for each choice that the network reads.
  controls() {
    const {dimensions, stages} = explorer.data.geometry, host = document.getElementById("choices");
    const focused = document.activeElement && document.activeElement.id;
    const select = (each, column) => {
      const id = `choice-${column}`, allowed = column === explorer.resolution ? explorer.allowed() : each.choices.map((_, i) => i);
      const input = element("select", {id, onchange: () => { const row = [...explorer.row]; row[column] = +input.value; explorer.set(row); }},
        ...allowed.map(i => element("option", {value: i, selected: i === explorer.row[column]}, `${each.choices[i]}`.replaceAll("_", " "))));
      return element("label", {for: id}, each.name, input);
    };
    const read = (stage, index) => dimensions.flatMap((each, column) =>
      each.stage === stage && each.index === index && explorer.row[column] >= 0 ? [select(each, column)] : []);
    const parts = [element("fieldset", {}, element("legend", {}, "image"), ...read(-1, -1))];
    stages.forEach((_, stage) => {
      const depth = explorer.stageValue(explorer.row, stage, "depth", "depths");
      const blocks = Array.from({length: depth}, (_, index) => read(stage, index)).map((inputs, index) =>
        inputs.length ? element("div", {class: "block"}, element("span", {class: "note"}, `block ${index}`), ...inputs) : "");
      parts.push(element("fieldset", {}, element("legend", {}, `stage ${stage}`), element("div", {class: "block"}, ...read(stage, -1)), ...blocks));
    });
    host.replaceChildren(...parts.filter(each => each.querySelector("select")));
    if (focused && focused.startsWith("choice-")) document.getElementById(focused)?.focus();
  },

  latencies(found) {
    const {devices} = explorer.data, host = document.getElementById("latencies");
    const longest = Math.max(...found.ms.filter(each => each !== null), 1e-12);
    host.replaceChildren(...devices.flatMap((device, i) => {
      const ms = found.ms[i], width = ms === null ? 0 : Math.max(100 * ms / longest, .3);
      return [element("span", {}, device.name), element("span", {class: "bar", style: `--c:var(--${device.estimated ? "kp" : "k0"});width:${width}%`}),
        element("span", {class: "value"}, ms === null ? "lacks blocks" : `${explorer.time(ms, device)}${device.estimated ? " est." : ""}`)];
    }));
  },

  roofline(found, device) {
    const section = document.getElementById("roofline"), host = section.querySelector(".plot"), blocks = found.groups.flat();
    section.hidden = device.ridge === null || found.ms[explorer.device] === null;
    if (section.hidden) return;
    const {macs} = explorer.data.costs, {cells} = networks.data;
    const flops = block => 2 * macs[block] * device.batch, total = blocks.reduce((sum, block) => sum + flops(block), 0);
    const moved = blocks.reduce((sum, block) => sum + device.moved[block], 0), intensity = total / moved;
    const bound = intensity < device.ridge ? "memory" : "compute";
    document.getElementById("roofline-words").textContent = `${intensity.toFixed(1)} FLOP per byte: bound by ${bound}, as a whole; the bend is at ${device.ridge.toFixed(1)}.`;
    const counted = blocks.filter(block => macs[block] && device.ms[block] > 0);
    const xs = counted.map(block => flops(block) / device.moved[block]), ys = counted.map(block => flops(block) / device.ms[block] / 1e6);
    const peak = device.peak / 1e9, ends = [Math.min(...xs, device.ridge) / 2, device.ridge, Math.max(...xs, device.ridge) * 2];
    const plot = charts.figure({height: 340, x: "arithmetic intensity (FLOP per byte)", y: "GFLOP/s", x_log: true, y_log: true}, [], [...ends, ...xs], [peak, ...ys]);
    charts.line(plot, {colour: "ink", x: ends, y: ends.map(x => peak * Math.min(1, x / device.ridge))});
    const [, source] = charts.points(plot, {colour: "k0", x: xs, y: ys, size: 10,
      tips: counted.map((block, i) => `${cells[block].rows.join(", ")}\n${xs[i].toFixed(1)} FLOP per byte, ${ys[i].toFixed(1)} GFLOP/s`)});
    charts.tips(plot, [source])(source);
    host.onmouseleave = tip.hide;
    charts.show(plot, host, `Roofline of ${device.name} with the blocks of the network`);
  },

  // The network at the slider's φ.
  scale() {
    const each = explorer.data.scalings[+document.getElementById("phi").value], found = explorer.totals(each.groups);
    document.getElementById("phi-at").textContent = each.phi.toFixed(2);
    const facts = [["resolution", `${each.resolution}`], ["MACs", `${(found.macs / 1e6).toFixed(2)} M`], ["parameters", `${(found.params / 1e3).toFixed(1)} k`]];
    const device = explorer.data.devices[explorer.device], ms = found.ms[explorer.device];
    facts.push([device.name, ms === null ? "lacks blocks" : `${explorer.time(ms, device)}${device.estimated ? " est." : ""}`]);
    document.getElementById("phi-facts").replaceChildren(...facts.map(([name, value]) => element("li", {}, element("span", {}, name), ` ${value}`)));
    networks.draw(document.getElementById("phi-drawing"), [{name: "", groups: each.groups}]);
  },

  apart() {
    const {apart} = explorer.data, inputs = ["kernel", "channels", "side"].map(name => document.getElementById(`apart-${name}`));
    [apart.kernels, apart.channels, apart.sides].forEach((values, i) => {
      const middle = Math.floor(values.length / 2);
      inputs[i].append(...values.map((value, at) => element("option", {value, selected: i ? at === middle : at === 0}, i === 1 ? `${value}` : `${value}×${value}`)));
      inputs[i].addEventListener("change", show);
    });
    function show() {
      const pairs = apart.values[inputs.map(each => each.value).join()], most = Math.max(...pairs.map(([macs]) => macs));
      document.getElementById("apart-bars").replaceChildren(...apart.names.flatMap((name, i) => {
        const [macs, weights] = pairs[i], factor = pairs[0][0] / macs;
        const words = i === 0 ? "" : factor >= 1 ? `, ${factor.toFixed(1)}× fewer` : `, ${(1 / factor).toFixed(1)}× more`;
        return [element("span", {}, name), element("span", {class: "bar", style: `--c:var(--${i ? factor >= 1 ? "k0" : "k1" : "kp"});width:${100 * macs / most}%`}),
          element("span", {class: "value"}, `${(macs / 1e6).toFixed(2)} M MACs${words}; ${weights.toLocaleString("en")} weights`)];
      }));
    }
    show();
  },
};
