/**
 * Create what names rows: the fragment of the page's address, and method and corruption.
 *
 * @param {ReportData} report
 * @returns Functions on the names of rows.
 */
function createAddresses(report) {
  const { rows, varies } = report;

  /**
   * Return the fragment of the page's address that opens the viewer on a row.
   *
   * @param {Row} row
   * @returns {string}
   */
  function formatAddress(row) {
    const parts = new URLSearchParams({ image: row.image });
    if (varies.restorer) parts.set("method", row.restorer);
    if (varies.corruption) parts.set("corruption", row.corruption);
    return `#${parts}`;
  }

  /**
   * Find the row that the fragment of the page's address names.
   *
   * @returns {Row | null}
   */
  function findAddressedRow() {
    const parts = new URLSearchParams(location.hash.slice(1));
    const isNamed = (part, text) => !parts.has(part) || parts.get(part) === text;
    const isMatch = (row) => isNamed("image", row.image) && isNamed("method", row.restorer)
      && isNamed("corruption", row.corruption);
    return parts.has("image") ? rows.find(isMatch) || null : null;
  }

  /**
   * List method and corruption of a row, where the report has several.
   *
   * @param {Row} row
   * @returns {string[]}
   */
  function listVariant(row) {
    return [varies.restorer ? row.restorer : "", varies.corruption ? row.corruption : ""].filter(Boolean);
  }

  return { findAddressedRow, formatAddress, listVariant };
}
