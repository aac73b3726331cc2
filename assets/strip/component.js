// The strip as Streamlit calls it, on mount and whenever data or theme change. A second, invisible component ("remote")
// carries what Python wants marked, so that the large data is not sent again.

import { takeMarks } from "./links.js";
import { stripIn } from "./strip.js";

export default function ({ data, parentElement, setStateValue }) {
  if (data.kind === "remote") return takeMarks(data);
  const strip = stripIn(parentElement);
  strip.update({ data, setStateValue });
  return () => strip.leave();
}
