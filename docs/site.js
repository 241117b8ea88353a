// What the theme leaves out for those who read by ear or by keyboard; its own script makes these elements late.
const mend = () => {
  document.querySelectorAll("nav.md-code__nav:not([aria-label])").forEach((bar, i) => {
    bar.setAttribute("aria-label", `Code block ${i + 1}`);
  });
  document.querySelectorAll("pre > code").forEach(code => {
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0;
  });
};
new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
addEventListener("resize", mend);
mend();
