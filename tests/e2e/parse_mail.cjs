// Reads a mail from standard input, and prints what mailparser makes of it as JSON.
const { simpleParser } = require("mailparser");

simpleParser(process.stdin).then((mail) => {
  const attachments = mail.attachments.map(({ filename, contentType, cid, contentDisposition, content }) => ({
    filename,
    contentType,
    cid: cid ?? null,
    disposition: contentDisposition,
    content: content.toString("base64"),
  }));
  console.log(
    JSON.stringify({
      subject: mail.subject,
      to: mail.to.value,
      from: mail.from.value,
      text: mail.text,
      html: mail.html,
      attachments,
      headers: mail.headerLines.map(({ key }) => key),
    }),
  );
});
