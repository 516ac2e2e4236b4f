// What the page knows: columns and rows, and how their numbers are written.

const data = JSON.parse(byId("data").textContent);
const columns = data.columns;
const rows = data.rows.map(unpacked);
const MINUS = "−";
const DASH = "–";

function unpacked(packed, index) {
  const [image, status, corruption, restorer, values, reasons, flags, notes, error, views] = packed;
  const cut = image.lastIndexOf("/") + 1;
  return {
    index, image, status, flags, notes, error, reasons,
    folder: image.slice(0, cut),
    base: image.slice(cut),
    corruption: data.corruptions[corruption],
    restorer: data.restorers[restorer],
    values: values.map((value) => (typeof value === "string" ? Number(value.replace("inf", "Infinity")) : value)),
    views: views && pictures(views),
    text: [image, error, ...flags].join("\n").toLowerCase(),
  };
}

function pictures([width, height, thumb, before, after, truth, overlays, draws]) {
  return {
    width, height, thumb, before, after, truth, draws,
    overlays: overlays.map(([key, title, url, low, high]) => ({ key, title, url, low, high })),
  };
}

// As `written` of restorekit.report.figures.
function written(value, decimals) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  const vanishes = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
  const text = vanishes ? exponential(value) : value.toFixed(decimals);
  return text.replaceAll("-", MINUS);
}

function exponential(value) {
  const [digits, power] = value.toExponential(1).split("e");
  return `${digits}e${power[0]}${power.slice(1).padStart(2, "0")}`;
}

function figure(row, i) {
  const value = row.values[i];
  return value === null ? null : written(value, columns[i].digits);
}

function placeOf(row) {
  return row.folder ? row.folder.slice(0, -1) : "";
}

function counted(count, what) {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

const several = {
  restorer: data.restorers.length > 1,
  corruption: data.corruptions.length > 1,
};
