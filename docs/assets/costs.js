// The calculator of costs.html: turns the table's numbers of calls into fields, and adds up their costs.
document$.subscribe(() => {
  const place = document.getElementById("costs");
  if (!place || place.firstChild) return;
  const field = (label, value, step) => {
    const input = Object.assign(document.createElement("input"), { type: "number", min: 0, step, value });
    input.setAttribute("aria-label", label);
    input.addEventListener("input", add);
    return input;
  };
  const prices = [
    ["dollars per million RRU", 0.125],
    ["dollars per million WRU", 0.625],
    ["GB stored", 1],
    ["dollars per GB", 0.25],
  ].map(([label, value]) => {
    const line = document.createElement("label");
    const input = field(label, value, "any");
    line.append(`${label} `, input);
    place.append(line);
    return input;
  });
  const sum = document.createElement("output");
  place.append(sum);
  const rows = [...document.querySelectorAll("table tbody tr")].map((row) => {
    const [call, calls, rru, wru] = row.cells;
    const input = field(`${call.textContent} a month`, Number(calls.textContent), 1);
    calls.replaceChildren(input);
    return { input, rru: Number(rru.textContent), wru: Number(wru.textContent) };
  });
  function add() {
    const [rruPrice, wruPrice, gigabytes, gigabytePrice] = prices.map((input) => input.valueAsNumber || 0);
    const units = (name) => rows.reduce((total, row) => total + (row.input.valueAsNumber || 0) * row[name], 0) / 1e6;
    const dollars = units("rru") * rruPrice + units("wru") * wruPrice + gigabytes * gigabytePrice;
    sum.textContent = `$${dollars.toFixed(2)} a month`;
  }
  add();
});
