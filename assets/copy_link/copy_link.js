// A button that copies a link to the page as it is now.
// data: {params (set in the link), keep (names in the page's address that are carried over), note}.

const SAID_MS = 2000;

// The strip keeps what is looked at in the browser and writes it into the address, so the link starts from there.
export function linkFrom(address, { params, keep }) {
  const here = new URL(address);
  const link = new URL(here.pathname, here.origin);
  for (const name of keep.filter((name) => here.searchParams.has(name))) {
    link.searchParams.set(name, here.searchParams.get(name));
  }
  for (const [name, value] of Object.entries(params)) link.searchParams.set(name, value);
  return link.href;
}

export default function ({ data, parentElement }) {
  const [button, says, note, field] = ["button", ".says", ".note", "input"].map((it) =>
    parentElement.querySelector(it),
  );
  note.textContent = data.note;
  button.onclick = async () => {
    const link = linkFrom(location.href, data);
    try {
      await navigator.clipboard.writeText(link);
      says.textContent = "Link copied";
      setTimeout(() => {
        says.textContent = "Copy link";
      }, SAID_MS);
    } catch {
      // No clipboard outside https and this machine: show the link to copy by hand.
      field.value = link;
      field.hidden = false;
      field.select();
    }
  };
}
