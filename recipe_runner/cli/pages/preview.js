const form = document.querySelector(".filter");
const rows = [...document.querySelectorAll(".row")];
const texts = rows.map((row) => row.textContent.toLowerCase());
form.hidden = rows.length < 2;
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", () => {
  const wanted = form.wanted.value.toLowerCase();
  let left = 0;
  rows.forEach((row, number) => {
    row.hidden =
      !texts[number].includes(wanted) ||
      (form.cut.checked && !row.classList.contains("is-cut")) ||
      (form.odd.checked && !row.classList.contains("is-odd"));
    left += row.hidden ? 0 : 1;
  });
  form.querySelector("output").textContent = `${left} of ${rows.length} rows`;
});
