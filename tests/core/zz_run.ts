import { withEngine } from "/work/main/tests/engines.ts";
import * as tf from "npm:@tensorflow/tfjs-core@4.22.0";
await withEngine("tensorflow",{},async (e)=>{ const a=tf.tensor1d([1,2]); const [b]=e.compile((x)=>[tf.mul(x as tf.Tensor,2)])(a); console.log(await b!.data()); });
