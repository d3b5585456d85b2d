// Formulas as text and as elements.

// The signs, names and brackets of ((l1 o l2) o l3) ..., with brackets where AND would
// otherwise bind before the OR on its left.
function tokens(layer, formula) {
  let result = [];
  let last = "";
  for (const [concept, negated, operator] of formula) {
    if (operator === "AND" && last === "OR") {
      result = [{ kind: "open", text: "(" }, ...result, { kind: "close", text: ")" }];
    }
    if (operator) result.push({ kind: "sign", text: operator });
    if (negated) result.push({ kind: "sign", text: "NOT" });
    result.push({ kind: "name", text: layer.concepts[concept].name, concept, negated });
    last = operator || last;
  }
  return result;
}

// A sign stays on the line of its name, so that a line breaks before AND and OR.
function formulaNode(layer, formula, onconcept) {
  const node = make("span", { class: "formula" });
  let group = make("span", { class: "literal" });
  for (const token of tokens(layer, formula)) {
    if (token.kind === "sign") {
      if (token.text !== "NOT" && group.hasChildNodes()) {
        node.append(group, " ");
        group = make("span", { class: "literal" });
      }
      group.append(make("span", { class: "sign" }, token.text), " ");
    } else if (token.kind === "name") {
      const text = make("bdi", { class: token.negated ? "name negated" : "name" }, token.text);
      group.append(!onconcept ? text : make("button", {
        type: "button", class: "concept", title: "Units that name this concept",
        onclick: () => onconcept(token.concept),
      }, text));
    } else {
      group.append(make("span", { class: "bracket" }, token.text));
    }
  }
  node.append(group);
  return node;
}
