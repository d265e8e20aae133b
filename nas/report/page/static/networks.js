// Networks from the cells that the library drew: see nas/report/drawing. A network is a list of groups (stem,
// stages, head), each a list of numbers of cells. Nothing of a block is computed here.
const networks = {
  data: dataOf("drawings"),

  // One network, or two under each other with the differences framed.
  draw(host, drawn) {
    const {cells, rows} = networks.data;
    const count = Math.max(...drawn.map(each => each.groups.length));
    const flow = element("div", {class: "net"});
    flow.append(networks.names(drawn, rows));
    for (let position = 0; position < count; position++) {
      const sides = drawn.map(each => networks.group(each.groups, position, count));
      const places = Math.max(...sides.map(side => side.length));
      if (!places) continue;
      const title = position === 0 ? "stem" : position === count - 1 ? "head" : `stage ${position - 1}`;
      const columns = element("div", {class: "net-columns"});
      for (let place = 0; place < places; place++) {
        columns.append(networks.column(sides.map(side => cells[side[place]]), drawn.length > 1));
      }
      flow.append(element("div", {class: "net-group"}, element("span", {class: "net-title"}, title), columns));
    }
    host.replaceChildren(flow, networks.legend(drawn.flatMap(each => each.groups.flat()).map(number => cells[number])));
  },

  // A group of a network with fewer stages: its head still stands under the other head.
  group(groups, position, count) {
    if (position === count - 1) return groups[groups.length - 1];
    return position < groups.length - 1 ? groups[position] : [];
  },

  names(drawn, rows) {
    const column = element("div", {class: "net-names"});
    for (const each of drawn) {
      column.append(element("div", {}, element("b", {}, drawn.length > 1 ? each.name : ""), ...rows.map(row => element("span", {}, row))));
    }
    return column;
  },

  column(places, compared) {
    const known = places.filter(Boolean), width = Math.max(...known.map(cell => cell.width));
    const rows = known[0].rows.map((_, i) => new Set(known.map(cell => cell.rows[i])).size > 1);
    const marks = new Set(known.map(cell => cell.marks.join()));
    const differs = compared && (known.length < places.length || marks.size > 1 || rows.some(Boolean));
    const column = element("div", {class: "net-column"});
    for (const cell of places) {
      const css = !cell ? "absent" : differs ? ["differs", ...rows.flatMap((on, i) => on ? [`d${i}`] : [])].join(" ") : "";
      column.append(networks.svg(cell, width, css));
    }
    return column;
  },

  svg(cell, width, css) {
    const height = networks.data.height;
    const holder = document.createElement("template");
    const frame = `<rect class="frame" x="1" y="1" width="${width - 2}" height="${height - 2}" rx="4"/>`;
    holder.innerHTML = `<svg width="${width}" height="${height}" role="img"><g>${cell ? cell.svg : frame}</g></svg>`;
    const svg = holder.content.firstChild, group = svg.firstChild;
    if (css) group.setAttribute("class", css);
    if (cell) group.setAttribute("transform", `translate(${(width - cell.width) / 2} 0)`);
    svg.setAttribute("aria-label", cell ? group.querySelector("title").textContent : "no block");
    return svg;
  },

  // Explains the kinds and marks that are drawn.
  legend(cells) {
    const line = element("p", {class: "net-legend"});
    const kinds = new Set(cells.map(cell => cell.rows[0])), marks = new Set(cells.flatMap(cell => cell.marks));
    for (const [css, short, name] of networks.data.legend.filter(([, short]) => kinds.has(short))) {
      line.append(element("span", {}, element("i", {class: "swatch square", style: `--c:var(--${css})`}), `${short}: ${name}`));
    }
    const words = {identity: "arc: shortcut", projected: "dashed arc: projected shortcut", SE: "SE: squeeze-excite", A: "A: attention"};
    for (const [mark, text] of Object.entries(words)) if (marks.has(mark)) line.append(element("span", {}, text));
    return line;
  },

  start() {
    for (const host of document.querySelectorAll("[data-network]")) {
      networks.draw(host, JSON.parse(host.dataset.network));
    }
  },
};
