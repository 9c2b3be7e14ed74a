// Fails on words and sentence shapes that are hard to read at first sight. Each pattern has the advice that is printed.
import { split } from "sentence-splitter";
import { StringSource } from "textlint-util-to-string";

const MOST_WORDS = 40;

// Matched anywhere in a sentence, whatever the case. A space stands for a line break, too. Code is not looked at.
const PATTERNS = [
    [/\bwho(?:so)?ever\b/, "name the person: “anyone who”, “the operator”, “the client”"],
    [/\bwhom\b/, "make the person the subject, or leave “whom” out"],
    [/\b(?:nobody|somebody|anybody|everybody)(?:['’]s)\b/, "name the owner, or say that there is none"],
    [/\bnobody (?:else['’]s|has|is|may|can|who)\b/, "say it with “no one”, or better with the thing as the subject"],
    [/\b(?:what|that|which|who|whatever) (?:is|are|was|were) (?:no|none)\b/, "name the thing: “malformed requests”, “other files”"],
    [/\bwho (?:brings|comes|asks|looks|writes|reads|wants|likes)\b/, "name the person: “the client”, “the caller”"],
    [/\bthat which\b/, "name the thing"],
    [/\b(?:is|are) there for\b/, "say what it does: “it protects”, “use it to”"],
    [/\b(?:says|said|say) so\b/, "say what is printed or reported"],
    [/\banew\b/, "write “again”"],
    [/\bat the (?:most|least)\b/, "write “at most” or “at least”"],
    [/\b(?:to be had|can be had|could be had)\b/, "write “available”"],
    [/\bin the place of\b/, "write “instead of” or “in place of”"],
    [/\bfor want of\b/, "write “because … is missing”"],
    [/\b(?:becomes|became|become|comes|came) of\b/, "name the outcome or the event"],
    [/\bcomes? to nothing\b/, "write “fails” or “has no effect”"],
    [/\ball the same\b/, "write “anyway” or “still”"],
    [/\bas ever\b/, "write “as before”"],
    [/\bhave (?:it|them) (?:be|do|make)\b/, "use the verb itself"],
    [/\bbe it\b/, "write “whether”"],
    [/\b(?:thereby|therein|thereof|whereby|wherein|whereof|hitherto|heretofore|herein)\b/, "use “by this”, “in it”, “in which”"],
    [/\b(?:lest|ere|albeit|whilst)\b/, "use “so that … not”, “before”, “although” or “while”"],
    [/\bnone that\b/, "say “no NAME that”"],
    [/\b(?:is|are|was|were) not to (?:be )?\w+/, "say “must not” or “cannot”"],
    [/\b(?:no|none|nothing) but\b/, "write “only”"],
    [/\bsuch as (?:is|are|was|were|has|have|had)\b/, "use a clause with “that”"],
    [/\bso as to\b/, "write “to”"],
    [/\bhowever (?:often|much|many|long|large)\b/, "say “any number of”, “no matter how”"],
    [/\b(?:of|with|for|in|by|from|about|to) (?:whatever|whichever)\b/, "write “any” or “all”"],
    [/\b(?:simply|obviously|of course|needless to say)\b/, "leave it out"],
    [/\b(?:utilize|utilise|leverage|in order to|prior to|a number of)\b/, "use “use”, “to”, “before”, “several”"],
    [/\b(?!(?:had|that)\b)([a-z]+) \1\b/, "a word stands twice"],
    [/\bwhat (?:is|are|was|were) not\b/, "name the thing"],
    [/\bwhat (?:no one|nobody)\b/, "name the thing"],
    [/\bof what (?:is|are|was|were)\b/, "name the thing"],
    [/\bthose that there (?:are|were)\b/, "write “the existing ones”"],
    [/\b(?:let|lets|letting) be\b/, "write “leave unchanged”"],
    [/\bnone of\b/, "say “no NAME” or “not any of”"],
    [/\bfor good\b/, "write “permanently”"],
    [/\b(?:good|dead) (?:API )?keys?\b/, "write “valid” or “invalid”, as everywhere"],
    [/\bswitch(?:ed|es|ing)?[ -]off\b/, "a key is “deactivated”; other things are “turned off”"],
    [/\bmint(?:s|ed|ing)?\b/, "write “create”"],
].map(([pattern, advice]) => [new RegExp(pattern.source.replaceAll(" ", "\\s+"), "gi"), advice]);

// A sentence that begins like a question and is none: the reader has to find out what its subject is.
const RIDDLE = /^(?:What|Who|Whom|Whose|Whatever|Whichever|Such|That which)\s(?:\S+\s+){2,}\S+[^?]$/;

const MASKED = new Set(["Code", "Html"]);

export default (context) => {
    const { Syntax, RuleError, getSource, locator, report } = context;

    const complain = (node, source, start, end, message) => {
        const range = [source.originalIndexFromIndex(start) ?? 0, source.originalIndexFromIndex(end) ?? 1];
        report(node, new RuleError(message, { padding: locator.range(range) }));
    };

    // An inline piece of code counts as one word, and no pattern matches in it.
    const read = (node) => {
        const source = new StringSource(node, {
            replacer: ({ node, maskValue }) => (MASKED.has(node.type) ? maskValue("_") : undefined),
        });
        return [source, source.toString()];
    };

    const sentences = (text) => split(text).filter((part) => part.type === "Sentence");

    const check = (node) => {
        const [source, text] = read(node);
        for (const sentence of sentences(text)) {
            const raw = sentence.raw.replace(/\s+/g, " ").trim();
            const words = raw.split(" ").filter((word) => /[\p{L}\p{N}_]/u.test(word)).length;
            const [start, end] = sentence.range;
            if (words > MOST_WORDS) {
                complain(node, source, start, end, `This sentence has ${words} words; ${MOST_WORDS} are the limit. Split it.`);
            }
            if (node.type !== Syntax.Header && RIDDLE.test(raw)) {
                const first = raw.split(" ", 3).join(" ");
                complain(node, source, start, end, `“${first} …” begins like a question. Begin with the thing itself.`);
            }
        }
        for (const [pattern, advice] of PATTERNS) {
            for (const match of text.matchAll(pattern)) {
                const found = match[0].replace(/\s+/g, " ");
                complain(node, source, match.index, match.index + match[0].length, `“${found}”: ${advice}.`);
            }
        }
    };

    return { [Syntax.Paragraph]: check, [Syntax.TableCell]: check, [Syntax.Header]: check };
};
