// Weighs parcels and reports in every way that needs no SDK. Run by hand it only prints.
'use strict'

const fs = require('node:fs')
const path = require('node:path')

const { BOTYARD_API_URL: here, BOTYARD_API_TOKEN: token } = process.env
const parameters = process.env.BOTYARD_PARAMETERS ? JSON.parse(fs.readFileSync(process.env.BOTYARD_PARAMETERS)) : {}
const count = Number(parameters.count ?? 3)

async function call (method, route, body) {
  if (!here) return null
  const isForm = body instanceof FormData
  const headers = { Authorization: `Bearer ${token}`, ...(body && !isForm && { 'Content-Type': 'application/json' }) }
  const answer = await fetch(`${here}/${route}`, { method, headers, body: isForm ? body : body && JSON.stringify(body) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${route}: ${answer.status} ${text}`)
  return answer.headers.get('content-type').includes('json') ? JSON.parse(text) : text
}

function leave (variable, text) {
  if (process.env[variable]) fs.appendFileSync(process.env[variable], text)
}

async function main () {
  // --- lines ---
  console.log(`::notice title=Parcels::${count} parcels wait`)
  console.log('::add-mask::scale-serial-99812')
  console.log('the scale is scale-serial-99812')
  console.log('::progress percent=5::scale is warm')
  console.log('::stop-commands::parcels-end\n::error::this is only text\n::parcels-end::')

  // --- calls ---
  console.log('::group::calls')
  console.log(await call('GET', 'parameters'))
  if (parameters.pin) console.log(`the pin is ${await call('GET', 'secrets/pin')}`)
  for (let number = 1; number <= count; number++) {
    const asked = await call('GET', 'cancelled')
    if (asked?.cancelled || asked?.interrupted) {
      console.log(`::warning::stopped before parcel ${number}`)
      process.exitCode = 1
      return
    }
    await call('POST', 'log', { log: 'parcels', columns: { number, grams: number * 250 } })
    await call('POST', 'progress', { percent: number * 100 / count, text: `parcel ${number} of ${count}` })
  }
  const heaviest = count * 250
  await call('POST', 'outputs', { heaviest })
  const table = `number,grams\n${count},${heaviest}\n`
  const form = new FormData()
  form.append('file', new Blob([table]), 'scale.csv')
  await call('POST', 'artifacts', form)
  await call('POST', 'result', { status: 'partial', message: 'weighed', totals: { total: count, processed: count } })
  console.log('::endgroup::')
  console.log('::warning title=Scale,file=bot.js::due for calibration')

  // --- files ---
  leave('BOTYARD_OUTPUT', `count=${count}\nlabel<<END_OF_LABEL\nto: Ada\nfrom: Botyard\nEND_OF_LABEL\n`)
  leave('BOTYARD_SUMMARY', `## ${count} parcels\nHeaviest: **${heaviest} g**\n`)
  if (process.env.BOTYARD_ARTIFACTS) fs.writeFileSync(path.join(process.env.BOTYARD_ARTIFACTS, 'weights.csv'), table)
  const totals = { total: count, processed: count, failed: 0 }
  leave('BOTYARD_RESULT', JSON.stringify({ status: 'succeeded', message: `${count} parcels weighed`, totals }))
}

main()
